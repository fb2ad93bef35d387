//! What a job's SQL can name: streams, tables, sinks and functions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::ScalarUDF;

use crate::AggregateFunction;

/// Streams, tables, sinks and functions by name. Names are case-sensitive, as in Flink.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(crate) sources: BTreeMap<String, SourceDef>,
    pub(crate) sinks: BTreeMap<String, SinkDef>,
    pub(crate) open_sinks: bool,
    pub(crate) scalars: Vec<Arc<ScalarUDF>>,
    pub(crate) aggregates: BTreeMap<String, Arc<dyn AggregateFunction>>,
}

/// A stream or table that can be read.
#[derive(Debug, Clone)]
pub struct SourceDef {
    /// Its columns.
    pub schema: SchemaRef,
    /// Event time, if it has one.
    pub event_time: Option<EventTimeDef>,
    /// Whether it ends (a file, a table, a topic up to its end at the start).
    pub bounded: bool,
}

/// Event time of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTimeDef {
    /// The timestamp column.
    pub column: String,
    /// Watermark = maximum seen − delay.
    pub delay: Duration,
    /// A partition without rows for this long is left out.
    pub idle: Duration,
}

/// Where a job can write.
#[derive(Debug, Clone)]
pub struct SinkDef {
    /// Its columns, or `None` when it takes those of the query.
    pub schema: Option<SchemaRef>,
    /// Columns that identify a row. Without them the sink takes only appended rows.
    pub key: Option<Vec<String>>,
}

impl Catalog {
    /// Adds a source; a later one of the same name replaces it.
    #[must_use]
    pub fn source(mut self, name: impl Into<String>, source: SourceDef) -> Self {
        self.sources.insert(name.into(), source);
        self
    }

    /// Adds a sink.
    #[must_use]
    pub fn sink(mut self, name: impl Into<String>, sink: SinkDef) -> Self {
        self.sinks.insert(name.into(), sink);
        self
    }

    /// Takes every other name after `INSERT INTO` for a sink too: one with the columns of its query
    /// and, if its rows change, their key. For a job that is being written.
    #[must_use]
    pub fn with_open_sinks(mut self) -> Self {
        self.open_sinks = true;
        self
    }

    /// The sink `name`, if a job can write it.
    pub(crate) fn sink_def(&self, name: &str) -> Option<SinkDef> {
        let open = || self.open_sinks.then_some(SinkDef { schema: None, key: None });
        self.sinks.get(name).cloned().or_else(open)
    }

    /// Whether the sink `name` has the key of its query.
    pub(crate) fn takes_any_key(&self, name: &str) -> bool {
        self.open_sinks && !self.sinks.contains_key(name)
    }

    /// Adds a scalar function.
    #[must_use]
    pub fn scalar(mut self, function: ScalarUDF) -> Self {
        self.scalars.push(Arc::new(function));
        self
    }

    /// Adds an aggregate function.
    #[must_use]
    pub fn aggregate(mut self, function: Arc<dyn AggregateFunction>) -> Self {
        self.aggregates.insert(function.name().to_owned(), function);
        self
    }
}
