//! One job as it is to be decided about: declared by a person or built in.

use sha2::{Digest, Sha256};

use millrace_spec::qualified;

use crate::model::{Desired, JobGoal, JobStatus, Resource, RunRecord, StatePolicy};
use crate::store::{JobRow, Store, StoreError};

use super::board::{Key, LiveBoard};
use super::decide::Want;
use super::source::{BuiltIn, BuiltInWork};

/// Bits of a version that JSON readers keep exactly.
const VERSION_BITS: u32 = 53;

/// Where its work comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A person declared it.
    Declared(Box<Resource>),
    /// Settings did; `None`: it is not wanted.
    BuiltIn(Option<BuiltInWork>),
}

/// A job with all that a decision about it needs.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) key: Key,
    pub(super) origin: Origin,
    pub(super) goal: JobGoal,
    /// What was last said of it where people look.
    pub(super) status: Option<JobStatus>,
    /// Its newest run.
    pub(super) run: Option<RunRecord>,
}

impl Subject {
    /// The declared job as the store has it now.
    pub(super) fn declared(row: JobRow) -> Self {
        let metadata = &row.resource.metadata;
        Self {
            key: (metadata.namespace.clone(), metadata.name.clone()),
            goal: row.goal,
            status: row.status,
            run: row.run,
            origin: Origin::Declared(Box::new(row.resource)),
        }
    }

    /// The built-in job as it is wanted now.
    pub(super) async fn built_in(
        built_in: &BuiltIn,
        store: &Store,
        board: &LiveBoard,
    ) -> Result<Self, StoreError> {
        let (ns, name) = (&built_in.namespace, &built_in.name);
        let wanted = built_in.wanted.borrow().clone();
        let version = wanted.as_ref().map_or(0, version);
        let desired = if wanted.is_some() { Desired::Running } else { Desired::Stopped };
        let goal = JobGoal {
            goal: version,
            desired,
            version,
            parallelism: None,
            restarts: 0,
            stop_savepoint: None,
            drain: false,
            state: StatePolicy::Keep,
            from_savepoint: None,
        };
        // The board also has what the worker said, which is not what is compared.
        let status = board.status(ns, name).map(|status| JobStatus { worker: None, ..status });
        let run = store.newest_run(ns, name).await?;
        let key = (ns.clone(), name.clone());
        Ok(Self { key, origin: Origin::BuiltIn(wanted), goal, status, run })
    }

    /// The name that launchers and the engine know it by.
    pub(super) fn qualified(&self) -> String {
        qualified(&self.key.0, &self.key.1)
    }

    pub(super) fn uid(&self) -> &str {
        match &self.origin {
            Origin::Declared(resource) => &resource.metadata.uid,
            Origin::BuiltIn(_) => "built-in",
        }
    }

    pub(super) fn want(&self) -> Want<'_> {
        let (deleting, endless) = match &self.origin {
            Origin::Declared(resource) => (resource.metadata.deleting_ms.is_some(), false),
            Origin::BuiltIn(_) => (false, true),
        };
        Want { goal: &self.goal, deleting, endless }
    }
}

/// A number that changes with the work, and is the same after the control plane has started again.
pub(super) fn version(wanted: &BuiltInWork) -> i64 {
    let text = serde_json::to_vec(&wanted.work).expect("work is plain data");
    let mut hash = Sha256::new();
    hash.update(wanted.memory_bytes.to_be_bytes());
    hash.update(text);
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first) & ((1 << VERSION_BITS) - 1)
}
