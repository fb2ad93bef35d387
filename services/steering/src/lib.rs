//! From a client's address to appliances that hold its files.
//!
//! ```text
//!  appliances, appliance_routes, appliance_files ─► feeds::views ─► Desk: Draft ─ publish ─► Fleet
//!                                                                                            │
//!  POST /v1/steer ─► api: gate ─► steer: Client, rank ◄──────────────────────────────────────┘
//!                                      └─► sign ─► ranked addresses per file
//! ```
//!
//! Feeds change a draft of the fleet; a thread publishes it whole; a request reads the snapshot it
//! finds.
//!
//! Invariants: a request waits for no lock, disk or broker; an answer comes from one snapshot; what
//! does not change is shared between snapshots.
//!
//! Must not know: how a feed was computed.

pub mod api;
pub mod feeds;
pub mod fleet;
pub mod sign;
pub mod steer;

pub use feeds::{Service, ServiceError, ServiceSettings};
