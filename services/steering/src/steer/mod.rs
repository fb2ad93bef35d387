//! Which appliances a client should ask for a file, best first, and why.

mod client;
mod hash;
mod rank;
mod tier;
mod why;

pub use client::{Client, Origin};
pub use hash::score;
pub use rank::{MOST, Nobody, Ranked};
pub use tier::Tier;
pub use why::{Place, Verdict, Why};
