//! Manifests: YAML text → checked streams and routes, or every mistake with file, line and column.
//!
//! ```text
//!  files ─ yaml ─► nodes with places ─ stream, route ─► drafts ─ check ─► Manifests
//!                  every step adds to one report and goes on; nothing stops at the first mistake
//! ```
//!
//! Must not know: HTTP, where goal state is kept, how SQL is planned: that comes in as [`SqlCheck`].
//!
//! What a manifest may contain is said twice: `document` is its published JSON Schema, `stream` and
//! `route` read it. A test holds the two together.

mod check;
mod document;
mod fields;
mod job;
mod load;
mod mistake;
mod quantity;
mod route;
#[cfg(test)]
mod schema_tests;
mod sql_place;
mod stream;
pub mod suggest;
mod target;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;

use millrace_events::{RouteName, StreamName, StreamSchema, TableName};

pub use document::json_schema;
pub use job::{ConnectionKind, ConnectionSpec, JobSpec, SecretRef, SinkSpec, qualified};
pub use load::{load_dir, load_text};
pub use mistake::{Mistake, SqlFault};
pub use quantity::{parse_duration, parse_size};

/// Everything a folder of manifests declares, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests {
    /// Streams by name.
    pub streams: BTreeMap<StreamName, Arc<StreamSchema>>,
    /// Routes, sorted by name; each reads one of the streams.
    pub routes: Vec<RouteSpec>,
    /// Jobs, sorted by name. Their SQL has not been looked at.
    pub jobs: Vec<JobSpec>,
    /// Connections, sorted by name.
    pub connections: Vec<ConnectionSpec>,
}

/// A route as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// Name, unique among routes.
    pub name: RouteName,
    /// The stream it reads.
    pub from: StreamName,
    /// Record headers it wants: for every name one of the values.
    pub headers: BTreeMap<String, Vec<String>>,
    /// SQL condition over the stream's columns.
    pub filter: Option<String>,
    /// SQL select list over the stream's columns.
    pub select: Option<String>,
    /// Where rows go.
    pub to: Target,
    /// When rows are committed.
    pub roll: RollSpec,
}

/// Destination of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Delta table.
    Table {
        /// The table.
        table: TableName,
        /// Partition columns: columns of the route, `event_date` or `event_hour`.
        partition_by: Vec<String>,
    },
    /// A Kafka topic.
    Kafka {
        /// The topic.
        topic: String,
        /// Column whose value keys the records; `None` keeps the key of the source record.
        key: Option<String>,
    },
    /// An HTTP endpoint that takes batches by POST.
    Http {
        /// Its address.
        url: url::Url,
        /// Whether private, loopback and link-local addresses are allowed.
        allow_private: bool,
    },
}

/// Limits after which a route commits what it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollSpec {
    /// Commit when about this many bytes wait.
    pub bytes: u64,
    /// Commit when the oldest uncommitted row is this old.
    pub every: Duration,
    /// Commit when nothing came for this long.
    pub idle: Duration,
}

impl Default for RollSpec {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { bytes: 128 << 20, every: seconds(30), idle: seconds(5) }
    }
}

/// Compiles the SQL of a route; the router's compiler fulfils it.
pub trait SqlCheck {
    /// The columns of the route's rows, or what is wrong with its SQL.
    ///
    /// Called with one of the two at a time, so that a fault's line and column, which count from 1
    /// within that text, say which of the two they are in. Without `select`, the stream's columns.
    fn check_route(
        &self,
        stream: &StreamSchema,
        filter: Option<&str>,
        select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault>;
}
