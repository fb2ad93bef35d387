//! Jobs and connections as manifests declare them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use millrace_events::{RouteName, TableName};

/// Between namespace and name in a qualified name; names themselves do not contain it.
const BETWEEN: &str = "--";

/// The name by which a thing is known outside its namespace: checkpoints, ledgers, topics. Things
/// of the namespace `default` keep their own.
pub fn qualified(namespace: &str, name: &str) -> String {
    if namespace == "default" { name.to_owned() } else { format!("{namespace}{BETWEEN}{name}") }
}

/// A job as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Name, unique among jobs.
    pub name: RouteName,
    /// The SQL: one or more `INSERT INTO`.
    pub sql: String,
    /// Where the rows of a sink go; a sink that is not here goes to the table of its own name, or,
    /// when its rows change, to the feed of its own name.
    pub sinks: BTreeMap<String, SinkSpec>,
    /// Sink for rows that come too late; `None` only counts them.
    pub late: Option<String>,
    /// Instances of each operator.
    pub parallelism: u32,
    /// Time between checkpoints.
    pub checkpoint_interval: Duration,
    /// Most memory of its process in bytes.
    pub memory: u64,
    /// Whether it ends where the streams end when it starts.
    pub until_end: bool,
}

/// Where the rows of a sink go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkSpec {
    /// A table, appended to.
    Table {
        /// The table.
        table: TableName,
    },
    /// A compacted topic with the latest row of each key.
    Feed {
        /// The topic.
        topic: String,
        /// Its partitions; `None` for as many as the job's streams have.
        partitions: Option<i32>,
    },
}

/// Where a secret is. Its value is never part of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A variable of the worker's environment, `MILLRACE_SECRET_…`.
    Env(String),
    /// A file in the folder that the operator keeps secrets in; line ends at its end are left out.
    File(std::path::PathBuf),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// What a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionKind {
    /// A Kafka cluster.
    Kafka {
        /// `host:port`, several with commas between.
        bootstrap: String,
        /// Options of the Kafka client that are no secrets.
        properties: BTreeMap<String, String>,
    },
    /// An HTTP endpoint.
    Http {
        /// Headers of every request that are no secrets.
        headers: BTreeMap<String, String>,
    },
}

/// A connection as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// Name, unique among connections.
    pub name: RouteName,
    /// What it leads to.
    pub kind: ConnectionKind,
    /// Options or headers whose values are secrets.
    pub secrets: BTreeMap<String, SecretRef>,
}
