//! Collection of what no checkpoint needs any more.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::Error;
use object_store::path::Path;

use super::claim::Claim;
use super::decide;
use super::entry::{Kind, STATE, log_name};
use super::manifest::Manifest;
use crate::StateError;

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Entries of the log.
    pub entries: usize,
    /// Files of state.
    pub files: usize,
}

impl Claim {
    /// Keeps the newest `keep` complete checkpoints (at least one) and what they need, and removes
    /// what is older. `in_use` are paths (below the prefix) of files that a coming checkpoint may
    /// still name, such as the output of a merge.
    ///
    /// Removes nothing before the first complete checkpoint of this run.
    ///
    /// # Errors
    /// [`StateError::Fenced`] if a newer run has claimed: then nothing was removed.
    pub async fn collect(&self, keep: usize, in_use: &[String]) -> Result<Collected, StateError> {
        if !self.completed {
            return Ok(Collected::default());
        }
        // Files before the log: when the log then says that this run is the newest, no file of a
        // newer one is among them.
        let files = self.state_files().await?;
        let sequences = self.store.sequences().await?;
        if sequences.last().is_some_and(|last| *last >= self.next) {
            return Err(self.fenced().await?);
        }
        let (retained, oldest) = self.retained(&sequences, keep.max(1)).await?;
        let newest = retained.first().expect("this run has completed one");
        let needed = retained.iter().flat_map(Manifest::paths);
        let needed: BTreeSet<_> = needed.chain(in_use.iter().map(String::as_str)).collect();
        let age = (newest.generation, newest.checkpoint);
        let files = decide::collectable(files.iter().map(String::as_str), &needed, age);
        let entries: Vec<_> = sequences.iter().filter(|sequence| **sequence < oldest).collect();

        // The log first: no manifest may be readable whose files are gone.
        self.delete(entries.iter().map(|sequence| log_name(**sequence)).collect()).await?;
        self.delete(files.iter().map(ToString::to_string).collect()).await?;
        Ok(Collected { entries: entries.len(), files: files.len() })
    }

    async fn state_files(&self) -> Result<Vec<String>, StateError> {
        let folder = self.store.path(STATE);
        let listed: Vec<_> = self
            .store
            .store
            .list(Some(&folder))
            .map_ok(|meta| self.store.relative(&meta.location))
            .try_collect()
            .await
            .map_err(|e| StateError::store(format!("listing {folder}"), e))?;
        Ok(listed.into_iter().flatten().collect())
    }

    /// The newest complete checkpoints, newest first, and where the oldest of them stands.
    async fn retained(
        &self,
        sequences: &[u64],
        keep: usize,
    ) -> Result<(Vec<Manifest>, u64), StateError> {
        let (mut retained, mut oldest) = (Vec::new(), self.next);
        for sequence in sequences.iter().rev() {
            if retained.len() == keep {
                break;
            }
            let kind = self.store.read(*sequence).await?.map(|entry| entry.kind);
            if let Some(Kind::Checkpoint(manifest)) = kind {
                retained.push(*manifest);
                oldest = *sequence;
            }
        }
        Ok((retained, oldest))
    }

    async fn delete(&self, relative: Vec<String>) -> Result<(), StateError> {
        let paths: Vec<Path> = relative.iter().map(|path| self.store.path(path)).collect();
        let locations = stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.store.store.delete_stream(locations);
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(StateError::store("collecting old checkpoints", error)),
            }
        }
        Ok(())
    }
}
