//! Generators, through what they show of themselves.

mod ranges;
