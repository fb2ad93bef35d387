//! From Kafka to sinks: one reader, one decode per topic, N routes, every offset accounted for.
//!
//! ```text
//!  topics ─► lane (thread: poll, decode once) ─┬─ Feed ─► route (thread: filter, project) ─► Sink
//!                 ▲                            └─ Feed ─► route                            ─► Sink
//!                 │ handover (rebalance)           ▲
//!                                                  └─ catchup (thread, while a route is behind)
//! ```
//!
//! Invariants: a route is fed every offset from its ledger on, in order, and drops what it has; a
//! route whose sink stalls or fails never holds up another for good; what waits is bounded by the
//! budget; a partition goes only after its routes committed or dropped what they had written of it.
//!
//! Must not know: jobs, the HTTP API, which sinks exist.

mod backoff;
mod catchup;
mod convert;
mod decode;
mod feed;
mod handover;
mod lane;
mod mistake;
mod plan;
mod roll;
mod route;
mod router;
mod select;
mod settings;
mod status;
#[cfg(test)]
mod tests;

pub use mistake::SqlMistake;
pub use plan::RoutePlan;
pub use roll::{RollFacts, RollPolicy, RollReason};
pub use router::{Router, RouterError};
pub use settings::{
    Handling, HeaderFilter, Membership, REPLAY_ROUTES_HEADER, Route, RouterSettings,
};
pub use status::{PartitionStatus, RouteState, RouteStatus, RouterStatus};
