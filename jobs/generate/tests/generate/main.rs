//! Generators, through what they show of themselves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fleet;
mod movielens;
mod playback;
mod ranges;
