//! HTTP ingest as a client sees it, over a log that the test controls.

#![expect(clippy::disallowed_methods, reason = "each test joins the tasks it spawns")]

mod acks;
mod hostile;
mod limits;
mod modes;
mod replaced;
mod support;
