//! What every HTTP server of the platform shares: one shape of error answer; accept, serve, drain.
//!
//! Must not know: who is served what.

pub mod problem;
pub mod server;

pub use problem::{ItemError, Place, Problem};
