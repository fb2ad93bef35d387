//! Savepoints: copies of a checkpoint that need nothing else.

use std::collections::BTreeMap;

use futures::StreamExt;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};

use super::claim::Claim;
use super::entry::{Entry, Kind, SAVEPOINT};
use super::manifest::Manifest;
use super::store::CheckpointStore;
use crate::StateError;

impl CheckpointStore {
    /// Copies a checkpoint of this job with every file it names to `target`, which is complete
    /// when this returns, and from then on independent of this job. The files must not be
    /// collected meanwhile: keep the checkpoint among those retained.
    ///
    /// # Errors
    /// If `target` already holds another savepoint, or a store fails.
    pub async fn savepoint(
        &self,
        manifest: &Manifest,
        target: &CheckpointStore,
    ) -> Result<(), StateError> {
        for path in manifest.paths() {
            self.copy_to(path, target, path).await?;
        }
        let kind = Kind::Savepoint(Box::new(manifest.clone()));
        let entry = Entry::new(0, manifest.generation, &manifest.job, kind);
        let path = target.path(SAVEPOINT);
        let payload = PutPayload::from(entry.encode());
        let Err(error) = target.store.put_opts(&path, payload, PutMode::Create.into()).await else {
            return Ok(());
        };
        match target.read_entry(&path).await? {
            Some(found) if found == entry => Ok(()),
            Some(_) => Err(StateError::Damaged(format!("{path} is another savepoint"))),
            None => Err(StateError::store(format!("writing {path}"), error)),
        }
    }

    /// The savepoint that lies at this prefix.
    pub async fn open_savepoint(&self) -> Result<Manifest, StateError> {
        let path = self.path(SAVEPOINT);
        match self.read_entry(&path).await?.map(|entry| entry.kind) {
            Some(Kind::Savepoint(manifest)) => Ok(*manifest),
            _ => Err(StateError::Damaged(format!("{path} is not a savepoint"))),
        }
    }

    async fn copy_to(
        &self,
        from: &str,
        target: &CheckpointStore,
        to: &str,
    ) -> Result<(), StateError> {
        let (from, to) = (self.path(from), target.path(to));
        let failed = |e: Error| StateError::store(format!("copying {from} to {to}"), e);
        if std::sync::Arc::ptr_eq(&self.store, &target.store) {
            return self.store.copy(&from, &to).await.map_err(failed);
        }
        let mut chunks = self.store.get(&from).await.map_err(failed)?.into_stream();
        let upload = target.store.put_multipart(&to).await.map_err(failed)?;
        let mut writer = WriteMultipart::new(upload);
        while let Some(chunk) = chunks.next().await {
            writer.wait_for_capacity(2).await.map_err(failed)?;
            writer.put(chunk.map_err(failed)?);
        }
        writer.finish().await.map_err(failed)?;
        Ok(())
    }
}

impl Claim {
    /// Copies the files of a savepoint into this job, so that its checkpoints can go on from them,
    /// and returns the manifest with their new paths.
    pub async fn adopt(
        &self,
        savepoint: &CheckpointStore,
        mut manifest: Manifest,
    ) -> Result<Manifest, StateError> {
        let mut moved = BTreeMap::new();
        for (number, path) in manifest.paths().into_iter().enumerate() {
            // Older than any checkpoint of this run: collected once the first one that does not
            // name it is complete.
            let to = self.state_path(0, &format!("adopted-{number}.arrow"));
            savepoint.copy_to(path, &self.store, &to).await?;
            moved.insert(path.to_owned(), to);
        }
        let subtasks = manifest.operators.values_mut().flat_map(|o| &mut o.subtasks);
        for file in subtasks.flat_map(|subtask| &mut subtask.files) {
            file.path.clone_from(&moved[&file.path]);
        }
        Ok(manifest)
    }
}
