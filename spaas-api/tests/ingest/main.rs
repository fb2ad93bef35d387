//! HTTP ingest as a client sees it, over a log that the test controls.

mod acks;
mod hostile;
mod limits;
mod modes;
mod support;
