//! What a warehouse and a table sink are told, and what they answer about dead letters and audits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use url::Url;

use millrace_events::{Budget, DeadLetter, NoProbe, PartitionId, Probe, RouteName, TableName};

use crate::Ledger;

/// Decorates the object store everything goes through; fault tests inject errors here.
pub type StoreWrap = Arc<dyn Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync>;

/// Where the tables are and how to get there.
#[derive(Clone)]
pub struct WarehouseSettings {
    /// `file:///folder` or `s3://bucket/prefix`; a table is at `<url>/<schema>/<table>`.
    pub url: Url,
    /// Options of the object store (`aws_region`, `aws_endpoint`, `aws_allow_http`, …). They win
    /// over the environment.
    pub options: BTreeMap<String, String>,
    /// Told at every named step.
    pub probe: Arc<dyn Probe>,
    /// Decorator of the object store.
    pub wrap: Option<StoreWrap>,
}

impl WarehouseSettings {
    /// Tables at `url`, without options, probe or decorator.
    pub fn at(url: Url) -> Self {
        Self { url, options: BTreeMap::new(), probe: Arc::new(NoProbe), wrap: None }
    }
}

impl fmt::Debug for WarehouseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Option values may be secrets.
        f.debug_struct("WarehouseSettings")
            .field("url", &self.url.as_str())
            .field("options", &self.options.keys())
            .finish_non_exhaustive()
    }
}

/// A column a table is partitioned by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionColumn {
    /// A column of the rows.
    Column(String),
    /// `event_date` (date, UTC), derived from the named timestamp column and added to the table.
    EventDate(String),
    /// `event_hour` (0–23, UTC), derived from the named timestamp column and added to the table.
    EventHour(String),
}

impl PartitionColumn {
    /// The column's name in the table.
    pub fn name(&self) -> &str {
        match self {
            Self::Column(name) => name,
            Self::EventDate(_) => "event_date",
            Self::EventHour(_) => "event_hour",
        }
    }
}

/// One route into one table.
#[derive(Debug, Clone)]
pub struct TableSinkSettings {
    /// The route; with topic and partition it names the ledger.
    pub route: RouteName,
    /// The table.
    pub table: TableName,
    /// Columns of the batches the sink will be given.
    pub columns: SchemaRef,
    /// Partition columns, outermost first.
    pub partition_by: Vec<PartitionColumn>,
    /// Memory for open files and uploads.
    pub budget: Budget,
    /// Most files open at once; one more closes the largest.
    pub max_open_files: usize,
}

impl TableSinkSettings {
    /// Without the route: what any writer of the table is told.
    pub fn table_settings(&self) -> TableSettings {
        TableSettings {
            table: self.table.clone(),
            columns: self.columns.clone(),
            partition_by: self.partition_by.clone(),
            budget: self.budget.clone(),
            max_open_files: self.max_open_files,
        }
    }
}

/// How rows become files of one table.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// The table.
    pub table: TableName,
    /// Columns of the batches the writer will be given.
    pub columns: SchemaRef,
    /// Partition columns, outermost first.
    pub partition_by: Vec<PartitionColumn>,
    /// Memory for open files and uploads.
    pub budget: Budget,
    /// Most files open at once; one more closes the largest.
    pub max_open_files: usize,
}

/// The ledger of one (route, partition) as its table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The route.
    pub route: RouteName,
    /// The table that holds the ledger (`system.ledger` for sinks that are not tables).
    pub table: TableName,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionId,
    /// What became of every offset so far.
    pub ledger: Ledger,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Only this route's.
    pub route: Option<RouteName>,
    /// Only this topic's.
    pub topic: Option<String>,
    /// At most this many, the newest; `None` is all.
    pub limit: Option<usize>,
}

/// A dead letter as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The route that refused it.
    pub route: RouteName,
    /// When it was written, milliseconds since the Unix epoch.
    pub dead_at_ms: i64,
    /// The event.
    pub letter: DeadLetter,
}
