//! Rows to an HTTP endpoint: batched, retried, with a key per request that survives a crash.
//!
//! ```text
//!  deliver ──► Body per partition ──full, or flush──► Poster ──► POST …  (one request at a time)
//!                                                        │
//!                    retry: pure decision from outcome ──┘   Resolver: only allowed addresses
//! ```

mod address;
mod body;
mod delivery;
mod headers;
mod poster;
mod resolver;
mod retry;
mod settings;

pub use delivery::HttpDelivery;
pub use headers::HttpHeaders;
pub use retry::RetryPolicy;
pub use settings::{HttpFormat, HttpSettings};
