//! Writes what a task has frozen, while the task goes on.

use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender};

use millrace_plan::OperatorId;
use millrace_state::{
    CheckpointStore, KeyGroups, StateFile, StateMemory, state_path, when_to_merge,
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

impl StateTask {
    /// Writes until the task ends.
    pub(crate) async fn run(mut self) -> Result<(), JobError> {
        while let Some(frozen) = self.frozen.recv().await {
            let (checkpoint, live) = (frozen.checkpoint, frozen.live);
            let state = self.write(frozen).await?;
            self.probe.reached(JobStep::StateWritten)?;
            report(&self.reports, Report::State { checkpoint, state }).await?;
            self.merge(checkpoint, live).await?;
        }
        Ok(())
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
        })
    }

    /// Rewrites a chain of files that got long, for the next checkpoint to name: nobody waits for
    /// it but that one. Its folder is as old as this checkpoint, so it is not collected before.
    async fn merge(&mut self, checkpoint: u64, live: u64) -> Result<(), JobError> {
        if !when_to_merge(&self.files, live) {
            return Ok(());
        }
        let path = state_path(self.generation, checkpoint, &format!("{}-merged", self.task));
        let keep = |operator: &str| self.operators.iter().any(|known| known.0 == operator);
        let merging = self.store.merge_state_files_within(&self.files, &path, &self.memory, keep);
        self.files = merging.await?.into_iter().collect();
        Ok(())
    }
}
