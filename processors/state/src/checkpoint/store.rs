//! The log of manifests: reading it, and appending to it.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::claim::Claim;
use super::decide::{self, Next, Seen};
use super::entry::{Entry, Kind, LOG, log_name, sequence_of};
use super::manifest::Manifest;
use crate::StateError;

/// How often a put that was lost is tried.
const PUT_TRIES: usize = 3;

/// How often a run tries to claim while others do the same.
const CLAIM_TRIES: usize = 20;

/// The checkpoints of a job: a prefix of an object store.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
}

impl CheckpointStore {
    /// Below `prefix` of `store`, which must have put-if-absent.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    /// The object store.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Full path of what a manifest names `relative`.
    pub fn path(&self, relative: &str) -> Path {
        self.prefix.parts().chain(Path::from(relative).parts()).collect()
    }

    /// Name below the prefix of what lies at `path`.
    pub(super) fn relative(&self, path: &Path) -> Option<String> {
        Some(path.prefix_match(&self.prefix)?.collect::<Path>().to_string())
    }

    /// The newest complete checkpoint, if there is one. Whoever wants to go on from it claims.
    pub async fn latest(&self) -> Result<Option<Manifest>, StateError> {
        match self.newest().await?.and_then(|newest| newest.latest()) {
            Some(sequence) => self.checkpoint_at(sequence).await.map(Some),
            None => Ok(None),
        }
    }

    /// Takes the job over: fences off every run before, and returns the newest complete
    /// checkpoint, from which to go on. `run` must be unlike the name of any other run.
    pub async fn claim(&self, run: &str) -> Result<(Claim, Option<Manifest>), StateError> {
        self.claim_above(run, 0).await
    }

    /// As [`Self::claim`], with a generation greater than `floor`: that of the savepoint from which
    /// the job goes on, since its sinks remember it.
    pub async fn claim_above(
        &self,
        run: &str,
        floor: u64,
    ) -> Result<(Claim, Option<Manifest>), StateError> {
        for _ in 0..CLAIM_TRIES {
            let newest = self.newest().await?;
            let (sequence, generation, latest) = decide::claim_after(newest.as_ref(), floor);
            let entry = Entry::new(sequence, generation, run, Kind::Claim { latest });
            if !self.append(&entry).await? {
                continue;
            }
            let manifest = match latest {
                Some(latest) => Some(self.checkpoint_at(latest).await?),
                None => None,
            };
            return Ok((Claim::new(self.clone(), &entry, manifest.as_ref()), manifest));
        }
        Err(StateError::store(format!("claiming {}", self.prefix), "others keep claiming it"))
    }

    /// Appends an entry: `true` when it is the newest, `false` when the log went on without it.
    pub(super) async fn append(&self, entry: &Entry) -> Result<bool, StateError> {
        let path = self.path(&log_name(entry.sequence));
        let payload = PutPayload::from(entry.encode());
        for attempt in 1..=PUT_TRIES {
            let put = self.store.put_opts(&path, payload.clone(), PutMode::Create.into()).await;
            let (seen, failure) = match put {
                Ok(_) => (Seen::Ours, None),
                Err(error) => {
                    let seen = match self.read(entry.sequence).await? {
                        None => Seen::Absent,
                        Some(found) if found == *entry => Seen::Ours,
                        Some(_) => Seen::Other,
                    };
                    (seen, Some(error))
                }
            };
            let newer = self.sequences().await?.last().is_some_and(|last| *last > entry.sequence);
            match decide::after_append(seen, newer, attempt < PUT_TRIES) {
                Next::Done => return Ok(true),
                Next::Overtaken => return Ok(false),
                Next::Again => {
                    tracing::warn!(%path, ?failure, "an entry of the checkpoint log was lost");
                }
                Next::GiveUp => {
                    let cause = failure.expect("an entry that was put is seen");
                    return Err(StateError::store(format!("writing {path}"), cause));
                }
            }
        }
        unreachable!("the last attempt is decided")
    }

    /// Numbers of all entries, ascending.
    pub(super) async fn sequences(&self) -> Result<Vec<u64>, StateError> {
        let folder = self.path(LOG);
        let listed = self.store.list(Some(&folder)).map_ok(|meta| sequence_of(&meta.location));
        let found: Vec<_> = listed
            .try_collect()
            .await
            .map_err(|e| StateError::store(format!("listing {folder}"), e))?;
        let mut sequences: Vec<_> = found.into_iter().flatten().collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// The newest entry.
    pub(super) async fn newest(&self) -> Result<Option<Entry>, StateError> {
        let Some(sequence) = self.sequences().await?.last().copied() else { return Ok(None) };
        // The newest entry is never collected while it is that: gone means overtaken.
        let gone = || StateError::store("reading the checkpoint log", "it changed meanwhile");
        self.read(sequence).await?.ok_or_else(gone).map(Some)
    }

    pub(super) async fn read(&self, sequence: u64) -> Result<Option<Entry>, StateError> {
        let path = self.path(&log_name(sequence));
        self.read_entry(&path).await
    }

    pub(super) async fn read_entry(&self, path: &Path) -> Result<Option<Entry>, StateError> {
        let failed = |e: Error| StateError::store(format!("reading {path}"), e);
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        Entry::decode(path, &found.bytes().await.map_err(failed)?).map(Some)
    }

    pub(super) async fn checkpoint_at(&self, sequence: u64) -> Result<Manifest, StateError> {
        match self.read(sequence).await?.map(|entry| entry.kind) {
            Some(Kind::Checkpoint(manifest)) => Ok(*manifest),
            _ => Err(StateError::Damaged(format!(
                "{} is not a complete checkpoint",
                self.path(&log_name(sequence))
            ))),
        }
    }
}
