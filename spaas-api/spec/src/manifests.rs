//! What a set of manifests declares, checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;

use millrace_events::{RouteName, StreamName, StreamSchema, TableName};

use crate::job::{ConnectionSpec, JobSpec};
use crate::mistake::SqlFault;

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
    /// Namespaces, sorted by name.
    pub namespaces: Vec<NamespaceSpec>,
    /// What streams say beside their schema; streams that say nothing are not here.
    pub stream_extras: BTreeMap<StreamName, StreamExtras>,
}

/// What a stream's manifest says about its topic rather than its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamExtras {
    /// The Kafka cluster the topic is on; `None` for the platform's own.
    pub connection: Option<RouteName>,
    /// How long records are kept; `None` leaves it to the broker.
    pub retention: Option<Duration>,
}

/// A namespace as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSpec {
    /// Its name.
    pub name: RouteName,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub description: Option<String>,
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
        /// The connection whose headers go with every request.
        connection: Option<RouteName>,
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
