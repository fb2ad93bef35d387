//! How runs become processes, pods or jobs of another engine.

pub mod conformance;
pub mod process;

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::model::RunEnd;
use crate::worker::{Assignment, StopOrder, WorkerStatus};

/// Why a launcher could not do as told.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Trying again may help.
    #[error("{what}: {why}")]
    Retry {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// Trying again will not help.
    #[error("{what}: {why}")]
    Refused {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// The run is not there (any more).
    #[error("run {run} of {job} is not alive")]
    Gone {
        /// Qualified name of the job.
        job: String,
        /// Id of the run.
        run: String,
    },
}

/// What a launcher sees of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// Nothing of the job is alive, and this run left no end: it was never started, or it was lost.
    Absent {
        /// Whether the run had begun.
        begun: bool,
        /// What is known of why it is gone.
        trace: Option<String>,
    },
    /// A run is alive: the one asked about or another.
    Alive {
        /// Its id.
        run: String,
        /// What it said of itself, if it answered.
        status: Option<Box<WorkerStatus>>,
        /// For how long it has not answered.
        silent: Duration,
    },
    /// The run asked about has ended, and nothing of the job is alive.
    Ended(RunEnd),
}

/// Starts, watches and ends runs. At most one run of a job is alive at any time, whoever asks for
/// what, also when two control planes ask. `job` is always the qualified name.
///
/// Every call is idempotent: it may be repeated after a crash of the caller. Every implementation
/// passes [`conformance`].
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Starts the run unless it was started before or a run of the job is alive. Returns once the
    /// run exists; it need not answer yet.
    async fn start(&self, assignment: &Assignment) -> Result<(), LaunchError>;

    /// What there is of the job, seen from `run`.
    async fn observe(&self, job: &str, run: &str) -> Result<Observed, LaunchError>;

    /// Asks the run to end after a last checkpoint. Returns when it has heard.
    async fn stop(&self, job: &str, run: &str, order: &StopOrder) -> Result<(), LaunchError>;

    /// Makes a savepoint at `path` of the object store; returns the number of its checkpoint.
    async fn savepoint(&self, job: &str, run: &str, path: &str) -> Result<u64, LaunchError>;

    /// Ends the run at once. When it returns, the run is not alive.
    async fn kill(&self, job: &str, run: &str) -> Result<(), LaunchError>;

    /// Removes what is left of a job of which nothing is alive.
    async fn forget(&self, job: &str) -> Result<(), LaunchError>;

    /// Lines of the job's log: the last `lines`, then, with `follow`, new ones as they come, across
    /// runs. The stream ends when the caller drops it.
    async fn logs(
        &self,
        job: &str,
        lines: usize,
        follow: bool,
    ) -> Result<BoxStream<'static, String>, LaunchError>;

    /// Rows of a sink (all sinks if `None`) as the run writes them, as JSON objects
    /// `{"sink": …, "kind": "+I|-U|+U|-D", "row": {…}}`.
    async fn tail(
        &self,
        job: &str,
        run: &str,
        sink: Option<&str>,
    ) -> Result<BoxStream<'static, String>, LaunchError>;

    /// Prometheus text of the run.
    async fn metrics(&self, job: &str, run: &str) -> Result<String, LaunchError>;
}
