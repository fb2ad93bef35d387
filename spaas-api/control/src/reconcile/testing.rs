//! What the tests of decisions begin with.

use crate::model::{Desired, JobGoal, StatePolicy};
use crate::worker::{CheckpointNumbers, WorkerPhase, WorkerStatus};

/// A job that is to run.
pub(super) fn goal() -> JobGoal {
    JobGoal {
        goal: 1,
        desired: Desired::Running,
        version: 1,
        parallelism: None,
        restarts: 0,
        stop_savepoint: None,
        drain: false,
        state: StatePolicy::Keep,
        from_savepoint: None,
    }
}

/// A worker that answers.
pub(super) fn worker(run: &str, phase: WorkerPhase, checkpoint_ms: i64) -> WorkerStatus {
    WorkerStatus {
        run: run.to_owned(),
        pid: 1,
        phase,
        at_ms: 0,
        sources: Vec::new(),
        sinks: Vec::new(),
        checkpoint: CheckpointNumbers {
            number: u64::from(checkpoint_ms > 0),
            completed_ms: checkpoint_ms,
            ..CheckpointNumbers::default()
        },
        state_bytes: 0,
        cpu_seconds: 0.0,
        rss_bytes: 0,
        last_failure: None,
    }
}
