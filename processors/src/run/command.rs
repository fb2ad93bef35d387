//! What the owner of a run can ask of it.

use std::sync::{Arc, Weak};

use object_store::path::Path;
use tokio::sync::{mpsc, oneshot};

use super::status::{JobStatus, StatusBoard};
use super::tail::{Tail, Tap};
use crate::JobError;

/// Orders that may wait for the coordinator.
pub(crate) const COMMAND_DEPTH: usize = 16;

/// An order to the coordinator.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make a checkpoint now; answers with its number.
    Checkpoint(oneshot::Sender<u64>),
    /// Make a self-contained copy of a new checkpoint at this path.
    Savepoint(Path, oneshot::Sender<u64>),
    /// End after a last checkpoint.
    Stop(Stop),
}

/// How to end a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stop {
    /// Bring event time to its end first: open windows close and their results are written. A run
    /// that resumes from there takes every further row for late.
    pub drain: bool,
    /// Copy the last checkpoint, self-contained, to this path of the same object store.
    pub savepoint: Option<Path>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// All sources have ended, and everything is committed.
    Finished,
    /// It was told to stop, after this checkpoint.
    Stopped {
        /// Number of the last checkpoint.
        checkpoint: u64,
    },
}

/// Asks things of a run.
#[derive(Debug, Clone)]
pub struct JobControl {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) board: Arc<StatusBoard>,
    pub(crate) tap: Weak<Tap>,
}

impl JobControl {
    /// Makes a checkpoint and returns its number once every sink has committed.
    pub async fn checkpoint(&self) -> Result<u64, JobError> {
        let (reply, done) = oneshot::channel();
        self.send(Command::Checkpoint(reply)).await?;
        done.await.map_err(|_| JobError::Stopped)
    }

    /// Makes a savepoint at `path` of the object store that holds the checkpoints and returns the
    /// checkpoint's number.
    pub async fn savepoint(&self, path: Path) -> Result<u64, JobError> {
        let (reply, done) = oneshot::channel();
        self.send(Command::Savepoint(path, reply)).await?;
        done.await.map_err(|_| JobError::Stopped)
    }

    /// Asks the run to end; it does so after a last checkpoint.
    pub async fn stop(&self, stop: Stop) -> Result<(), JobError> {
        self.send(Command::Stop(stop)).await
    }

    /// The run at this moment.
    pub fn status(&self) -> JobStatus {
        self.board.status()
    }

    /// The rows of `sink`, or of all sinks, from now on and as they are written: some of them the
    /// next run may write again. The job never waits for whoever listens.
    pub fn tail(&self, sink: Option<&str>) -> Tail {
        self.tap.upgrade().map_or_else(Tail::ended, |tap| tap.listen(sink))
    }

    /// Whether the run is over.
    pub fn has_ended(&self) -> bool {
        self.commands.is_closed()
    }

    async fn send(&self, command: Command) -> Result<(), JobError> {
        self.commands.send(command).await.map_err(|_| JobError::Stopped)
    }
}
