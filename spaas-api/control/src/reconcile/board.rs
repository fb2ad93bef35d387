//! How jobs are doing at this moment, in memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::model::JobStatus;
use crate::watch::JobNumbers;

/// Namespace and name of a job.
pub(super) type Key = (String, String);

/// The newest status of every job that is looked after, with what its worker last said.
#[derive(Debug, Default)]
pub struct LiveBoard(RwLock<BTreeMap<Key, JobStatus>>);

impl LiveBoard {
    /// The job's status; `None` if nobody looks after it.
    pub fn status(&self, namespace: &str, job: &str) -> Option<JobStatus> {
        let key = (namespace.to_owned(), job.to_owned());
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// All jobs, the built-in ones among them: namespace, name, status, in the order of the names.
    pub fn all(&self) -> Vec<(String, String, JobStatus)> {
        let board = self.0.read().unwrap_or_else(PoisonError::into_inner);
        board.iter().map(|((ns, job), s)| (ns.clone(), job.clone(), s.clone())).collect()
    }

    /// All of them in numbers, at `now_ms`.
    pub fn numbers(&self, now_ms: i64) -> Vec<JobNumbers> {
        let all = self.all().into_iter();
        all.map(|(ns, job, status)| JobNumbers::of(&ns, &job, Some(&status), now_ms)).collect()
    }

    pub(super) fn put(&self, key: Key, status: JobStatus) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, status);
    }

    pub(super) fn remove(&self, key: &Key) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
