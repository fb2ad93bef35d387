//! What the control plane and its workers write to each other.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::launch::process::LogLimits;

/// File names in a worker's folder.
pub mod files {
    /// Held, exclusively, for as long as the worker lives; contains the run's id.
    pub const LOCK: &str = "lock";
    /// Socket of the living worker.
    pub const SOCKET: &str = "socket";
    /// Log of all runs, rotated: `log`, `log.1`, …
    pub const LOG: &str = "log";

    /// What a run is launched with: a [`Launch`](super::Launch).
    pub fn assignment(run: &str) -> String {
        format!("{run}.json")
    }

    /// Made, once, by whoever is first: the worker when it begins the run, or the launcher so that
    /// the run never begins.
    pub fn begun(run: &str) -> String {
        format!("{run}.begun")
    }

    /// How a run ended; written whole or not at all.
    pub fn end(run: &str) -> String {
        format!("{run}.end.json")
    }
}

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Id of the run.
    pub run: String,
    /// Qualified name of the job (see `millrace_spec::qualified`); what the lock stands for.
    pub job: String,
    /// Number of the start, from 1: of this job, the how many-th.
    pub attempt: i64,
    /// Most memory of the process in bytes.
    pub memory_bytes: u64,
    /// The work.
    pub work: Work,
}

/// The file that a worker is started with: what it is to do, and what the launcher leaves to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// What it is to do.
    pub assignment: Assignment,
    /// How its log is rotated.
    pub log: LogLimits,
    /// Whether the worker limits its memory itself, because no cgroup does.
    pub limit_memory: bool,
}

/// Kinds of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// A streaming job.
    Job(JobWork),
    /// The router over all routes.
    Router(RouterWork),
    /// The embedded broker.
    Broker(BrokerWork),
}

/// A streaming job with all that it refers to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobWork {
    /// Version that runs.
    pub version: i64,
    /// Manifests (JSON, one text each) of the job, its streams and its connections, with qualified
    /// names, as `millrace_spec::load_texts` reads them.
    pub documents: Vec<String>,
    /// Instances of each operator.
    pub parallelism: u32,
    /// The goal that the run serves. State is forgotten once for each: a second run of the same
    /// goal keeps what the first has made since.
    #[serde(default)]
    pub goal: i64,
    /// What may happen to state that the version cannot use.
    pub state: crate::model::StatePolicy,
    /// Path, in the object store, of the savepoint to begin from if there is no state yet.
    pub from_savepoint: Option<String>,
}

/// All routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterWork {
    /// Manifests of streams, connections and routes, with qualified names.
    pub documents: Vec<String>,
}

/// The embedded broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerWork {
    /// Address to listen on.
    pub listen: std::net::SocketAddr,
}

/// How to end a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StopOrder {
    /// Bring event time to its end first, so that open windows close.
    pub drain: bool,
    /// Copy the last checkpoint, self-contained, to this path of the object store.
    pub savepoint: Option<String>,
}

/// Where to make a savepoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavepointOrder {
    /// Path in the object store.
    pub path: String,
}

/// A savepoint that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavepointMade {
    /// Number of the checkpoint it copies.
    pub checkpoint: u64,
}

/// Where a worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerPhase {
    /// Restoring state, connecting.
    Starting,
    /// At work.
    Running,
    /// Told to end.
    Stopping,
}

/// A worker at a moment; its heartbeat. Counts are since the run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// Id of the run.
    pub run: String,
    /// Its process.
    pub pid: u32,
    /// Where it stands.
    pub phase: WorkerPhase,
    /// When it said so, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What it reads.
    pub sources: Vec<SourceNumbers>,
    /// What it writes.
    pub sinks: Vec<SinkNumbers>,
    /// Its newest checkpoint.
    pub checkpoint: CheckpointNumbers,
    /// Bytes of state.
    pub state_bytes: u64,
    /// CPU time of the process in seconds.
    pub cpu_seconds: f64,
    /// Memory of the process in bytes.
    pub rss_bytes: u64,
    /// The last failure it recovered from by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// A source in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceNumbers {
    /// The stream.
    pub name: String,
    /// Events read.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records of the log still to be read.
    pub lag: Option<u64>,
    /// The watermark, milliseconds since the Unix epoch.
    pub watermark_ms: Option<i64>,
    /// Events that came too late.
    pub late: u64,
    /// Records that could not be decoded.
    pub dead_letters: u64,
}

/// A sink in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkNumbers {
    /// The sink.
    pub name: String,
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Why it takes nothing, while it does not: of a route, whose others go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

/// The newest checkpoint in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointNumbers {
    /// Its number; 0 before the first.
    pub number: u64,
    /// When it was complete, milliseconds since the Unix epoch; 0 before the first.
    pub completed_ms: i64,
    /// From barrier to manifest, in microseconds.
    pub duration_us: u64,
    /// Bytes it takes to restore it.
    pub bytes: u64,
}
