//! The HTTP API: thin handlers over [`admission`](crate::admission), the store, the engine and the
//! launcher.
//!
//! ```text
//!  request ─ guard (token → Actor) ─ idempotency ─ caller (may they?) ─ input (strict) ─ handler
//!                                                                                   │
//!  answer ◄─ JSON with ETag, or application/problem+json ◄──────────────────────────┘
//! ```
//!
//! The handlers' attributes are the OpenAPI document's source; `openapi` adds what all share.
//!
//! Must not know: how a job runs, what is in the store's tables.

mod answer;
mod apply;
mod caller;
mod declare;
mod history;
mod idempotency;
mod input;
mod jobs;
mod lists;
mod manifest;
mod namespaces;
mod openapi;
mod overview;
mod page;
mod parts;
mod problems;
mod resources;
mod router;
mod routes;
mod tables;
mod tokens;

pub use parts::{ControlParts, Live};
pub use router::{openapi, router};
