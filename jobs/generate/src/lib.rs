//! Event sources from a seed: playback, a fleet of appliances, ratings.
//!
//! The same seed gives the same events, byte for byte, and in the same order.
//!
//! Must not know: who reads them.

pub mod fleet;
pub mod movielens;
pub mod playback;
