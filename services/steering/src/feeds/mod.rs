//! From feeds to the snapshot that requests read.

mod desk;
mod freshness;
mod row;
mod service;
mod views;

pub use desk::Desk;
pub use freshness::{Freshness, Stale, StaleReason};
pub(crate) use row::checked;
pub use service::{Service, ServiceError, ServiceSettings};
pub use views::{APPLIANCES, FILES, ROUTES};
