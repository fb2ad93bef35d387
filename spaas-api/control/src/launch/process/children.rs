//! The processes that this launcher started and that it will hear the end of.

use std::collections::HashMap;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::Child;
use tokio::task::JoinSet;

/// What is known of the newest process of a job.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// The run it was started for.
    pub(super) run: String,
    /// When it was started, by the monotonic clock.
    pub(super) since: Duration,
    /// How it ended, if it did.
    pub(super) exit: Option<ExitStatus>,
}

type Known = Arc<Mutex<HashMap<String, Process>>>;

/// Waits for every process it is given, so that none stays as a zombie. Processes go on when this
/// is dropped.
#[derive(Debug, Default)]
pub(super) struct Children {
    known: Known,
    waiting: Mutex<JoinSet<()>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Children {
    /// Notes that a process is about to be started for `run`; `false` if one of the job is there
    /// whose run may yet begin. `over` says whether a run has begun and is not alive any more: its
    /// process is just leaving.
    pub(super) fn reserve(
        &self,
        job: &str,
        run: &str,
        since: Duration,
        over: impl Fn(&str) -> bool,
    ) -> bool {
        let mut known = locked(&self.known);
        let running = known.get(job).filter(|process| process.exit.is_none());
        if running.is_some_and(|process| !over(&process.run)) {
            return false;
        }
        known.insert(job.to_owned(), Process { run: run.to_owned(), since, exit: None });
        true
    }

    /// Notes that there is nothing of the job, or that its process could not be started.
    pub(super) fn forget(&self, job: &str) {
        locked(&self.known).remove(job);
    }

    /// Takes the process that was started after [`Children::reserve`].
    pub(super) fn adopt(&self, job: &str, run: &str, mut child: Child) {
        let (known, job, run) = (Arc::clone(&self.known), job.to_owned(), run.to_owned());
        let mut waiting = locked(&self.waiting);
        while waiting.try_join_next().is_some() {}
        waiting.spawn(async move {
            let exit = child.wait().await;
            let mut known = locked(&known);
            if known.get(&job).is_none_or(|process| process.run != run) {
                return;
            }
            match (exit, known.get_mut(&job)) {
                (Ok(exit), Some(process)) => process.exit = Some(exit),
                (Ok(_), None) => {}
                (Err(error), _) => {
                    tracing::warn!(%error, job, "cannot wait for a worker");
                    known.remove(&job);
                }
            }
        });
    }

    /// The newest process of the job, if it was started for `run`.
    pub(super) fn get(&self, job: &str, run: &str) -> Option<Process> {
        locked(&self.known).get(job).filter(|process| process.run == run).cloned()
    }
}
