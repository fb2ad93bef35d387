//! Savepoints that an earlier control plane was asked for and did not live to see made.

use futures::StreamExt;
use futures::stream;

use millrace_spec::qualified;

use crate::launch::LaunchError;
use crate::model::{RunState, Savepoint, SavepointState};
use crate::store::{JobRow, StoreError};

use super::run::Shared;
use super::tell;

/// Savepoints that are seen to at once.
const AT_ONCE: usize = 4;
/// Orders of one savepoint. The first may meet the order of the control plane before, which the
/// worker is still at; the second then finds what that made.
const TRIES: u32 = 2;

impl Shared {
    /// Sees to every savepoint that was asked for before `begun_ms` and is neither there nor given
    /// up: has the run make it, or says why it will not be.
    pub(super) async fn finish_savepoints(&self, begun_ms: i64) {
        let left = loop {
            match self.parts.store.requested_savepoints().await {
                Ok(left) => break left,
                Err(error) => tracing::warn!(%error, "savepoints cannot be read"),
            }
            tokio::time::sleep(self.parts.settings.retry_tick).await;
        };
        let left = left.into_iter().filter(|savepoint| savepoint.created_ms < begun_ms);
        let finish = |savepoint: Savepoint| async move {
            let id = savepoint.id.clone();
            if let Err(error) = self.finish_savepoint(savepoint).await {
                tracing::warn!(%error, id, "what became of a savepoint was not written down");
            }
        };
        stream::iter(left).for_each_concurrent(AT_ONCE, finish).await;
    }

    async fn finish_savepoint(&self, mut savepoint: Savepoint) -> Result<(), StoreError> {
        let row = self.parts.store.job(&savepoint.namespace, &savepoint.job).await?;
        if row.as_ref().is_some_and(|row| is_of_a_stop(row, &savepoint.id)) {
            // The stop says what becomes of it.
            return Ok(());
        }
        let run = row.and_then(|row| row.run).filter(|run| run.state != RunState::Ended);
        let outcome = match run {
            Some(run) => self.have_made(&savepoint, &run.id).await.map_err(|e| e.to_string()),
            None => Err("the control plane was gone, and no run is there to make it".to_owned()),
        };
        savepoint.state = match outcome.clone() {
            Ok(checkpoint) => SavepointState::Complete { checkpoint },
            Err(reason) => SavepointState::Failed { reason },
        };
        let told = tell::savepoint(&savepoint.id, &outcome);
        let key = (savepoint.namespace.clone(), savepoint.job.clone());
        match self.parts.store.update_savepoint(&savepoint).await {
            Ok(()) => self.tell(&key, &told).await,
            // Removed meanwhile, with its job.
            Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn have_made(&self, savepoint: &Savepoint, run: &str) -> Result<u64, LaunchError> {
        let job = qualified(&savepoint.namespace, &savepoint.job);
        let mut tries = 1;
        loop {
            match self.parts.launcher.savepoint(&job, run, &savepoint.path).await {
                Err(LaunchError::Retry { .. }) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(self.parts.settings.retry_tick).await;
        }
    }
}

fn is_of_a_stop(row: &JobRow, id: &str) -> bool {
    let told = row.run.as_ref().and_then(|run| run.savepoint.as_deref());
    row.goal.stop_savepoint.as_deref() == Some(id) || told == Some(id)
}
