//! The data's doors: events in, questions out, and how the process is doing.
//!
//! ```text
//!  HTTP events ───────► ingest ──► Transport (the log)
//!  SQL text ──────────► sql ──► guard ──► DataFusion ──► rows as JSON, CSV, Parquet, Arrow
//!  probes, Prometheus ► ops
//! ```
//!
//! Duty: take events over HTTP, answer SQL over the tables, say how the process is doing.
//!
//! Invariants: SQL reads and nothing else, and opens only the tables it names; an event is
//! acknowledged only after the log has it.
//!
//! Must not know: operator internals, the router, concrete sinks. What it needs of them comes in as
//! a trait, such as [`TableSource`] (open a table).

pub mod ingest;
pub mod ops;
pub mod sql;

pub use sql::{SqlEngine, SqlError, SqlLimits, TableSource};
