//! The control plane's surface: what people and programs outside the process talk to.
//!
//! ```text
//!  manifests (YAML) ──► spec ──► streams and routes, or every mistake with its place
//!  HTTP events ───────► ingest ──► Transport (the log)
//!  SQL text ──────────► sql ──► guard ──► DataFusion ──► rows as JSON, CSV, Parquet, Arrow
//!  probes, Prometheus ► ops
//!  problem: one shape of error answer    server: accept, serve, drain
//! ```
//!
//! Duty: read and check goal state, take events over HTTP, answer SQL over the tables, say how the
//! process is doing.
//!
//! Invariants: SQL reads and nothing else, and opens only the tables it names; a manifest is
//! accepted whole or refused with every mistake listed; an event is acknowledged only after the log
//! has it.
//!
//! Must not know: operator internals, the router, concrete sinks. What it needs of them comes in as
//! a trait: [`SqlCheck`] (compile a route's SQL), [`TableSource`] (open a table).

pub mod ingest;
pub mod ops;
pub mod sql;

pub use sql::{SqlEngine, SqlError, SqlLimits, TableSource};
