//! Jobs: what is wanted of one, what it is doing, its runs and savepoints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::worker::WorkerStatus;

/// Whether a job is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// It is to run.
    Running,
    /// It is to be stopped, its state kept.
    Stopped,
}

/// What a start may do with state that the new version cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatePolicy {
    /// All of it must be usable.
    Keep,
    /// What the new version has no operator for may be dropped.
    AllowDropped,
    /// All is forgotten but the place in the streams: every event still counts once at the sources.
    Fresh,
}

/// What is wanted of a job. Every change adds one to `goal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobGoal {
    /// Number of the change that made this goal.
    pub goal: i64,
    /// Whether it is to run.
    pub desired: Desired,
    /// The version (generation) to run; older than the newest after a rollback.
    pub version: i64,
    /// Instances of each operator, instead of what the version says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// Counts the restarts asked for; a run that began under another number is replaced.
    pub restarts: i64,
    /// Of a stop: make this savepoint first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_savepoint: Option<String>,
    /// Of a stop: bring event time to its end first, so that open windows close.
    #[serde(default)]
    pub drain: bool,
    /// What the next start may do with state.
    pub state: StatePolicy,
    /// Of a job without state of its own: the savepoint it begins from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_savepoint: Option<String>,
}

/// Where a job stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// Declared, nothing done yet.
    Created,
    /// A run is being started.
    Starting,
    /// A run works.
    Running,
    /// A run is ending on request.
    Stopping,
    /// A run failed; the next one starts after a pause.
    Restarting,
    /// A run ends to begin again at another parallelism.
    Rescaling,
    /// A run ends to begin again as another version.
    Upgrading,
    /// Stopped on request; the state is kept.
    Stopped,
    /// All input has ended and everything is committed.
    Finished,
    /// It will not be tried again until something changes; the reason says why.
    Failed,
    /// It is being removed.
    Deleting,
}

/// A job at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// In one word.
    pub phase: JobPhase,
    /// Why, when the phase alone does not say it: an error, a crash loop, a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The goal that `phase` is about; older than the job's goal until the reconciler has seen it.
    pub observed_goal: i64,
    /// The generation that the newest run runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Starts since the job was declared, less one for each that was asked for.
    pub restarts: i64,
    /// Failures since the last run that was well.
    pub failures: i64,
    /// When the next start is due, milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_ms: Option<i64>,
    /// What the worker last said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerStatus>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunEnd {
    /// All input has ended and everything is committed.
    Finished,
    /// It was told to stop, after this checkpoint.
    Stopped {
        /// Number of the last checkpoint; 0 if there was none.
        checkpoint: u64,
    },
    /// It failed.
    Failed {
        /// Why, in words for a person; no secrets.
        reason: String,
        /// Whether another start may help.
        retryable: bool,
    },
    /// The process was gone without a word: killed, out of memory, crashed.
    Lost {
        /// What is known: a signal, an exit code, the last line of its log.
        reason: String,
    },
}

/// A run as the store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Recorded; the launcher may or may not have been asked yet.
    Starting,
    /// The worker has answered.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It has ended; `end` says how.
    Ended,
}

/// One run of a job (or of the router or the broker).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Its id; also names its folder.
    pub id: String,
    /// Namespace of the job.
    pub namespace: String,
    /// Name of the job.
    pub job: String,
    /// Uid of the job.
    pub uid: String,
    /// Version it runs.
    pub version: i64,
    /// Instances of each operator.
    pub parallelism: u32,
    /// The goal's `restarts` it began under.
    pub restarts: i64,
    /// The goal it was last brought in line with.
    pub goal: i64,
    /// Where it stands.
    pub state: RunState,
    /// When it was recorded, milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// When it was first asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_ms: Option<i64>,
    /// When it was seen to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
    /// Of a run that was asked to stop: id of the savepoint it was asked to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<String>,
    /// When its worker first answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_ms: Option<i64>,
    /// Whether it has completed a checkpoint.
    #[serde(default)]
    pub checkpointed: bool,
    /// Number of the start, from 1.
    #[serde(default)]
    pub attempt: i64,
    /// What went wrong with it and the runs before it.
    #[serde(default)]
    pub trouble: Trouble,
    /// Of a run that failed: when the next may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_ms: Option<i64>,
}

/// What went wrong with the runs of a job up to one of them. Kept with the run, so that closing a
/// run and counting its failure are one write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Starts that nobody asked for, since the job was declared.
    pub restarts: i64,
    /// Failures since the goal changed or a run was well for long; the pause grows with it.
    pub failures: i64,
    /// Failures since a checkpoint was completed.
    pub barren: i64,
    /// When the first of `barren` was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barren_since_ms: Option<i64>,
    /// Whether it fails again and again and never gets anywhere.
    #[serde(default)]
    pub crash_loop: bool,
}

/// Whether a savepoint is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SavepointState {
    /// Asked for.
    Requested,
    /// Complete and self-contained.
    Complete {
        /// Number of the checkpoint it copies.
        checkpoint: u64,
    },
    /// It will not be.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A savepoint of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Savepoint {
    /// Its id.
    pub id: String,
    /// Namespace of the job.
    pub namespace: String,
    /// Name of the job.
    pub job: String,
    /// Version that ran.
    pub version: i64,
    /// Where it lies in the object store.
    pub path: String,
    /// Whether it is there.
    pub state: SavepointState,
    /// When it was asked for, milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Who asked.
    pub author: String,
}
