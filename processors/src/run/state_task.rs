//! Writes what a task has frozen, while the task goes on.

use std::future::pending;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, Sender};

use millrace_plan::OperatorId;
use millrace_state::{
    CheckpointStore, KeyGroups, StateError, StateFile, StateMemory, state_path, when_to_merge,
};

use super::output::FrozenState;
use super::report::{Report, TaskState, report};
use super::step::{JobProbe, JobStep};
use crate::JobError;

/// The writer of one task's state.
pub(crate) struct StateTask {
    pub(crate) task: String,
    pub(crate) instance: usize,
    pub(crate) generation: u64,
    pub(crate) key_groups: KeyGroups,
    pub(crate) store: CheckpointStore,
    /// Operators of the task: the state of others is dropped when files are rewritten.
    pub(crate) operators: Vec<OperatorId>,
    /// What rewriting may use.
    pub(crate) memory: StateMemory,
    /// Files of the checkpoint the run started from, oldest first.
    pub(crate) files: Vec<StateFile>,
    pub(crate) frozen: Receiver<FrozenState>,
    pub(crate) reports: Sender<Report>,
    pub(crate) probe: Arc<dyn JobProbe>,
}

/// A chain of files being rewritten as one, beside the checkpoints that still name them.
struct Merging {
    /// How many of the oldest files it takes the place of.
    files: usize,
    path: String,
    work: BoxFuture<'static, Result<Option<StateFile>, StateError>>,
}

impl StateTask {
    /// Writes until the task ends.
    pub(crate) async fn run(mut self) -> Result<(), JobError> {
        let mut merging: Option<Merging> = None;
        loop {
            tokio::select! {
                biased;
                frozen = self.frozen.recv() => {
                    let Some(frozen) = frozen else { return Ok(()) };
                    let (checkpoint, live) = (frozen.checkpoint, frozen.live);
                    let mut state = self.write(frozen).await?;
                    state.merging = merging.as_ref().map(|merging| merging.path.clone());
                    self.probe.reached(JobStep::StateWritten)?;
                    report(&self.reports, Report::State { checkpoint, state }).await?;
                    if merging.is_none() {
                        merging = self.merge(checkpoint, live);
                    }
                }
                merged = finished(&mut merging) => {
                    let (files, merged) = merged?;
                    self.files.splice(..files, merged);
                    merging = None;
                }
            }
        }
    }

    async fn write(&mut self, frozen: FrozenState) -> Result<TaskState, JobError> {
        let FrozenState { checkpoint, pause, watermarks, tables, .. } = frozen;
        let mut stateful: Vec<OperatorId> = Vec::new();
        for (operator, _, _) in &tables {
            if stateful.last() != Some(operator) {
                stateful.push(operator.clone());
            }
        }
        let tables = tables.into_iter().map(|(id, table, frozen)| (id.0, table, frozen)).collect();
        let path = state_path(self.generation, checkpoint, &self.task);
        let mut written = 0;
        if let Some(file) = self.store.write_state_file(&path, self.key_groups, tables).await? {
            written += file.bytes;
            self.files.push(file);
        }
        let files = self.files.clone();
        Ok(TaskState {
            instance: self.instance,
            pause,
            watermarks,
            stateful,
            key_groups: self.key_groups,
            written,
            files,
            merging: None,
        })
    }

    /// Begins to rewrite a chain of files that got long. Its folder is as old as this checkpoint,
    /// which is complete, and every later one says that it is in use: it is not collected.
    fn merge(&self, checkpoint: u64, live: u64) -> Option<Merging> {
        if !when_to_merge(&self.files, live) {
            return None;
        }
        let path = state_path(self.generation, checkpoint, &format!("{}-merged", self.task));
        let (store, files) = (self.store.clone(), self.files.clone());
        let (memory, operators) = (self.memory.clone(), self.operators.clone());
        let (count, to) = (files.len(), path.clone());
        let work = async move {
            let keep = |operator: &str| operators.iter().any(|known| known.0 == operator);
            store.merge_state_files_within(&files, &to, &memory, keep).await
        };
        Some(Merging { files: count, path, work: work.boxed() })
    }
}

/// Waits for a chain that is being rewritten; for ever, if none is.
async fn finished(merging: &mut Option<Merging>) -> Result<(usize, Option<StateFile>), JobError> {
    match merging {
        Some(merging) => Ok((merging.files, (&mut merging.work).await?)),
        None => pending().await,
    }
}
