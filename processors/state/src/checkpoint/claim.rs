//! A run's right to complete checkpoints, until a newer run claims it.

use super::entry::{Entry, Kind, state_path};
use super::manifest::Manifest;
use super::store::CheckpointStore;
use crate::StateError;

/// The right of one run to complete checkpoints of its job.
#[derive(Debug)]
pub struct Claim {
    pub(super) store: CheckpointStore,
    pub(super) generation: u64,
    run: String,
    /// Where the next entry goes: right after our last one.
    pub(super) next: u64,
    /// Number of the newest complete checkpoint, of any run.
    checkpoint: u64,
    /// Whether it is one of this run.
    pub(super) completed: bool,
}

impl Claim {
    pub(super) fn new(store: CheckpointStore, entry: &Entry, latest: Option<&Manifest>) -> Self {
        Self {
            store,
            generation: entry.generation,
            run: entry.run.clone(),
            next: entry.sequence + 1,
            checkpoint: latest.map_or(0, |manifest| manifest.checkpoint),
            completed: false,
        }
    }

    /// Generation of this run: greater than that of any run before.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Number for the next checkpoint.
    pub fn next_checkpoint(&self) -> u64 {
        self.checkpoint + 1
    }

    /// The store, to read and write files of state.
    pub fn store(&self) -> &CheckpointStore {
        &self.store
    }

    /// Path, below the prefix, for a new file of state that `checkpoint` is to name.
    pub fn state_path(&self, checkpoint: u64, name: &str) -> String {
        state_path(self.generation, checkpoint, name)
    }

    /// Makes a checkpoint visible, all at once. Every file it names must be stored before.
    ///
    /// Numbers may be left out (checkpoints that failed), not used again. After an error of the
    /// store it may be complete or not; whoever claims next knows.
    ///
    /// # Errors
    /// [`StateError::Fenced`] if a newer run has claimed: this one must stop at once.
    ///
    /// # Panics
    /// If the manifest is of another generation or not newer than the last one.
    pub async fn complete(&mut self, manifest: &Manifest) -> Result<(), StateError> {
        assert_eq!(manifest.generation, self.generation, "a checkpoint of this run");
        assert!(manifest.checkpoint > self.checkpoint, "checkpoints are numbered upwards");
        let kind = Kind::Checkpoint(Box::new(manifest.clone()));
        let entry = Entry::new(self.next, self.generation, &self.run, kind);
        if !self.store.append(&entry).await? {
            return Err(self.fenced().await?);
        }
        self.next += 1;
        self.checkpoint = manifest.checkpoint;
        self.completed = true;
        Ok(())
    }

    /// Why the log went on without this run.
    pub(super) async fn fenced(&self) -> Result<StateError, StateError> {
        let theirs = self.store.newest().await?.map_or(0, |newest| newest.generation);
        Ok(if theirs > self.generation {
            StateError::Fenced { ours: self.generation, theirs }
        } else {
            let (prefix, ours) = (&self.store.prefix, self.generation);
            StateError::Damaged(format!("{prefix}: somebody else writes as generation {ours}"))
        })
    }
}
