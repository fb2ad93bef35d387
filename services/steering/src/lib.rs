//! From a client's address to appliances that hold its files.
//!
//! Feeds (`views`) change a draft of the fleet (`fleet`); a tick publishes it whole; a request reads
//! the snapshot it finds, ranks appliances (`steer`) and signs their addresses (`sign`).
//!
//! Invariants: a request waits for no lock, disk or broker; an answer comes from one snapshot.
//! Must not know: how a feed was computed.

pub mod fleet;
pub mod sign;
pub mod steer;
