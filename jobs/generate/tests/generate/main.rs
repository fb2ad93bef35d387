//! Generators, through what they show of themselves.

mod playback;
mod ranges;
