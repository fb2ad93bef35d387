//! A table that is frozen, written, merged, lost and restored at random is still the map it was.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use proptest::prelude::*;

use super::Basis;
use crate::table::table_tests::{Model, Op, apply, contents, op};
use crate::{CheckpointStore, KeyGroups, StateError, StateFile, StateMemory, Table};
use crate::{spill_if_needed, state_path};

/// A job of one table: what runs, and what its last checkpoint names.
struct Job {
    store: CheckpointStore,
    memory: StateMemory,
    table: Table,
    model: Model,
    files: Vec<StateFile>,
    saved: Model,
    checkpoint: u64,
}

impl Job {
    fn new(limit: usize) -> Self {
        let store = CheckpointStore::new(Arc::new(InMemory::new()), Path::from("j"));
        let memory = StateMemory::new(limit, None);
        let table = Table::with_memory("t", memory.clone());
        let (model, saved) = (Model::new(), Model::new());
        Self { store, memory, table, model, files: Vec::new(), saved, checkpoint: 0 }
    }

    fn path(&mut self) -> String {
        self.checkpoint += 1;
        state_path(1, self.checkpoint, "t")
    }

    async fn checkpoint(&mut self) -> Result<(), StateError> {
        let (frozen, saved, path) = (self.table.freeze(), self.model.clone(), self.path());
        let changes = vec![("o".to_owned(), "t".to_owned(), frozen)];
        let file = self.store.write_state_file(&path, KeyGroups::ALL, changes).await?;
        self.files.extend(file);
        self.saved = saved;
        Ok(())
    }

    async fn merge(&mut self) -> Result<(), StateError> {
        let path = self.path();
        let (files, memory) = (&self.files, StateMemory::new(self.memory.limit(), None));
        let merged = self.store.merge_state_files_within(files, &path, &memory, |_| true).await?;
        self.files = merged.into_iter().collect();
        Ok(())
    }

    async fn restart(&mut self, basis: Basis) -> Result<(), StateError> {
        let (store, files) = (&self.store, &self.files);
        let memory = &self.memory;
        let tables = store.read_state_files_within(files, KeyGroups::ALL, basis, memory).await?;
        let fresh = || Table::with_memory("t", self.memory.clone());
        self.table = tables.into_values().next().unwrap_or_else(fresh);
        self.model = self.saved.clone();
        if basis == Basis::Everything {
            self.files.clear();
            self.checkpoint().await?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Step {
    Change(Op),
    Checkpoint,
    Merge,
    Restart,
    RestartElsewhere,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => op().prop_map(Step::Change),
        4 => Just(Step::Checkpoint),
        1 => Just(Step::Merge),
        1 => Just(Step::Restart),
        1 => Just(Step::RestartElsewhere),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_table_survives_its_checkpoints(
        steps in prop::collection::vec(step(), 1..300),
        limit in prop_oneof![Just(usize::MAX), 4_000..20_000_usize],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut job = Job::new(limit);
        for (i, step) in steps.iter().enumerate() {
            match step {
                Step::Change(op) => apply(op, &mut job.table, &mut job.model),
                Step::Checkpoint => runtime.block_on(job.checkpoint()).unwrap(),
                Step::Merge => runtime.block_on(job.merge()).unwrap(),
                Step::Restart => runtime.block_on(job.restart(Basis::Changes)).unwrap(),
                Step::RestartElsewhere => {
                    runtime.block_on(job.restart(Basis::Everything)).unwrap();
                }
            }
            if i % 7 == 0 {
                spill_if_needed(&job.memory, &mut [&mut job.table]).unwrap();
            }
            if !matches!(step, Step::Change(_)) {
                prop_assert_eq!(&contents(&mut job.table), &job.model);
            }
        }
        prop_assert_eq!(&contents(&mut job.table), &job.model);
    }
}
