//! What the control plane needs of the rest of the platform, as traits.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use millrace_spec::{JobSpec, Manifests, SqlCheck};

/// A mistake in a job's SQL. Line and column count from 1 within the SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SqlMistake {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The offending line with the offending text underlined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// Why a seam could not answer.
#[derive(Debug, thiserror::Error)]
pub enum SeamError {
    /// The SQL is wrong.
    #[error("the SQL has {} mistakes", .0.len())]
    Sql(Vec<SqlMistake>),
    /// What is asked cannot be done, whoever tries.
    #[error("{0}")]
    Refused(String),
    /// The broker or the object store does not answer; trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

/// What becomes of a job's state when a version starts from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StateVerdict {
    /// There is no state yet.
    New,
    /// All of it is kept.
    Same,
    /// Some operators have no counterpart.
    Partly {
        /// Operators whose state is kept, in words.
        kept: Vec<String>,
        /// Operators whose state would be dropped.
        dropped: Vec<String>,
        /// Operators that begin without state.
        new: Vec<String>,
    },
    /// It cannot be read by the new version.
    Incompatible {
        /// The operator.
        operator: String,
        /// Why.
        why: String,
    },
}

impl StateVerdict {
    /// Of two verdicts on one change, the one that costs more state; the first of equals.
    #[must_use]
    pub fn worse_of(self, other: Self) -> Self {
        let cost = |verdict: &Self| match verdict {
            Self::New => 0,
            Self::Same => 1,
            Self::Partly { dropped, .. } => {
                if dropped.is_empty() {
                    2
                } else {
                    3
                }
            }
            Self::Incompatible { .. } => 4,
        };
        if cost(&other) > cost(&self) { other } else { self }
    }
}

/// What a job reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobOutline {
    /// Names of streams.
    pub streams: Vec<String>,
    /// Sinks, and where their rows go.
    pub sinks: Vec<SinkOutline>,
    /// Warnings: not wrong, but worth a look.
    pub warnings: Vec<String>,
}

/// A sink of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkOutline {
    /// Name in the SQL.
    pub name: String,
    /// Table, if its rows go to a table.
    pub table: Option<String>,
    /// Topic, if its rows go to a feed.
    pub topic: Option<String>,
    /// Columns and their types, in words.
    pub columns: Vec<(String, String)>,
    /// Columns that a feed is keyed by.
    pub key: Vec<String>,
}

/// Rows that a sample gave for one sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SampleRows {
    /// The sink.
    pub sink: String,
    /// Rows as JSON objects; of changing rows, the latest of each key.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<serde_json::Value>,
    /// Whether there were more.
    pub truncated: bool,
}

/// The engine, as the control plane sees it; as [`SqlCheck`] it compiles the SQL of routes.
///
/// `job` has its qualified name; `streams` have the names that the job's SQL uses, and topics that
/// are qualified already.
#[async_trait]
pub trait Planner: SqlCheck + Send + Sync + 'static {
    /// Checks the job's SQL against its streams.
    fn validate(&self, job: &JobSpec, streams: &Manifests) -> Result<JobOutline, SeamError>;

    /// The plan as `text`, `json` or `dot`.
    fn explain(&self, job: &JobSpec, streams: &Manifests, form: &str) -> Result<String, SeamError>;

    /// What would become of the job's newest state (or of the savepoint at `savepoint`, when the
    /// job has none) if it started now as `job`. Changes nothing.
    async fn verdict(
        &self,
        job: &JobSpec,
        streams: &Manifests,
        savepoint: Option<&str>,
    ) -> Result<StateVerdict, SeamError>;

    /// What would become of the state that a run of `old` gathers until it stops, if `job` went on
    /// from it: there may be none yet that [`Planner::verdict`] could look at. An engine whose jobs
    /// have no state need not say.
    fn compare(
        &self,
        _old: &JobSpec,
        _job: &JobSpec,
        _streams: &Manifests,
    ) -> Result<StateVerdict, SeamError> {
        Ok(StateVerdict::New)
    }

    /// Runs the job over the last `events` records of each stream, to their end, writing nowhere.
    async fn sample(
        &self,
        job: &JobSpec,
        streams: &Manifests,
        events: usize,
        rows: usize,
    ) -> Result<Vec<SampleRows>, SeamError>;

    /// Removes the files of one savepoint, complete or not.
    async fn forget_savepoint(&self, path: &str) -> Result<(), SeamError>;

    /// Removes checkpoints and savepoints of a job that is deleted.
    async fn forget(&self, job: &str) -> Result<(), SeamError>;
}

/// What a stream or feed wants of its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNeed {
    /// The topic.
    pub topic: String,
    /// Partitions.
    pub partitions: i32,
    /// How long records are kept; `None` leaves it to the broker.
    pub retention: Option<Duration>,
    /// Whether only the latest record of a key is kept.
    pub compacted: bool,
}

/// Topics of the log.
#[async_trait]
pub trait Topics: Send + Sync + 'static {
    /// Creates the topic if it is missing. Returns, in words, where one that was there differs from
    /// what is needed.
    async fn ensure(&self, need: &TopicNeed) -> Result<Vec<String>, SeamError>;
}

/// A table that routes and jobs have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableInfo {
    /// `schema.table`.
    pub name: String,
    /// Columns and their types, in words.
    pub columns: Vec<(String, String)>,
    /// Columns it is partitioned by.
    pub partition_by: Vec<String>,
    /// Rows, if the log of the table says.
    pub rows: Option<u64>,
    /// Bytes of its files.
    pub bytes: Option<u64>,
    /// Version of the table.
    pub version: Option<i64>,
}

/// Tables of the warehouse.
#[async_trait]
pub trait Tables: Send + Sync + 'static {
    /// The table; `None` if there is none of that name.
    async fn table(&self, name: &str) -> Result<Option<TableInfo>, SeamError>;
}
