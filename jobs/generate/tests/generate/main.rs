//! Generators, through what they show of themselves.

mod fleet;
mod playback;
mod ranges;
