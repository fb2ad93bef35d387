//! What tasks tell the coordinator.

use std::time::Duration;

use tokio::sync::mpsc::Sender;

use millrace_plan::OperatorId;
use millrace_state::{KeyGroups, StateFile};

use crate::connector::{Position, Prepared, SplitId};
use crate::{JobError, Micros};

/// Reports that may wait for the coordinator.
pub(crate) const REPORT_DEPTH: usize = 64;

/// Position and watermark of a split at a barrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitState {
    pub(crate) split: SplitId,
    /// `None`: not one row was read, start where a new job would.
    pub(crate) position: Option<Position>,
    pub(crate) watermark: Micros,
}

/// A task's part of a checkpoint, or its end.
#[derive(Debug)]
pub(crate) enum Report {
    /// All splits of a source task have ended; it waits for the last barrier.
    Exhausted,
    /// State that only a checkpoint can move out of memory takes too much of it.
    Pressed,
    /// A source's positions.
    Positions { checkpoint: u64, source: OperatorId, splits: Vec<SplitState> },
    /// A task's state is durable.
    State { checkpoint: u64, state: TaskState },
    /// A sink has prepared.
    Prepared { checkpoint: u64, sink: String, prepared: Prepared },
}

/// State of one task, as written.
#[derive(Debug, Clone)]
pub(crate) struct TaskState {
    pub(crate) instance: usize,
    /// How long the task's rows had to wait.
    pub(crate) pause: Duration,
    /// Watermark of each operator's input.
    pub(crate) watermarks: Vec<(OperatorId, Micros)>,
    /// Operators that keep tables.
    pub(crate) stateful: Vec<OperatorId>,
    /// The key groups it owns.
    pub(crate) key_groups: KeyGroups,
    /// Bytes written for this checkpoint.
    pub(crate) written: u64,
    /// Files that together hold the state, oldest first.
    pub(crate) files: Vec<StateFile>,
    /// A file in the making, which a later checkpoint may name.
    pub(crate) merging: Option<String>,
}

/// Sends a report, or finds that the run is over.
pub(crate) async fn report(to: &Sender<Report>, report: Report) -> Result<(), JobError> {
    to.send(report).await.map_err(|_| JobError::Stopped)
}
