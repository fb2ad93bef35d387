//! Reading files of state from the store.

use bytes::Bytes;
use futures::StreamExt;
use object_store::ObjectStoreExt;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::load::{Basis, Loader, Reading, StateTables};
use crate::{CheckpointStore, KeyGroups, StateError, StateFile, StateMemory};

/// Up to this much is decoded where the caller runs.
const SMALL: u64 = 1 << 20;
/// Pieces on their way from the store to the decoder.
const PIECES: usize = 16;

/// What the store says to the decoder.
enum Piece {
    Begin(Box<Reading>),
    Bytes(Bytes),
}

impl CheckpointStore {
    /// The tables that a chain of files makes, applied in the given order, as far as they are of
    /// `key_groups`. They stay in memory.
    pub async fn read_state_files(
        &self,
        files: &[StateFile],
        key_groups: KeyGroups,
        basis: Basis,
    ) -> Result<StateTables, StateError> {
        let memory = StateMemory::unlimited();
        self.read_state_files_within(files, key_groups, basis, &memory).await
    }

    /// The same, of tables that share `memory`.
    pub async fn read_state_files_within(
        &self,
        files: &[StateFile],
        key_groups: KeyGroups,
        basis: Basis,
        memory: &StateMemory,
    ) -> Result<StateTables, StateError> {
        let narrowed = files.iter().filter_map(|file| {
            let key_groups = file.key_groups.intersect(&key_groups)?;
            Some(StateFile { key_groups, ..file.clone() })
        });
        let files: Vec<_> = narrowed.collect();
        let mut loader = Loader::new(basis, memory);
        if files.iter().map(|file| file.bytes).sum::<u64>() <= SMALL {
            for file in &files {
                self.load_small(file, &mut loader).await?;
            }
            return Ok(loader.finish());
        }
        let (sender, pieces) = mpsc::channel(PIECES);
        let loading = spawn_blocking(move || load_all(loader, pieces));
        let fetched = self.fetch(&files, sender).await;
        let result = loading.await.map_err(|e| StateError::store("reading state", e))?;
        // Whoever failed first says why: the other one only finds the channel closed.
        let loader = result?;
        fetched?;
        Ok(loader.finish())
    }

    async fn load_small(&self, file: &StateFile, loader: &mut Loader) -> Result<(), StateError> {
        let path = self.path(&file.path);
        let failed = |e| StateError::store(format!("reading {path}"), e);
        let bytes = self.store().get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        let mut reading = Reading::new(file);
        loader.take(&mut reading, bytes)?;
        reading.end()
    }

    async fn fetch(
        &self,
        files: &[StateFile],
        sender: mpsc::Sender<Piece>,
    ) -> Result<(), StateError> {
        for file in files {
            let path = self.path(&file.path);
            let failed = |e| StateError::store(format!("reading {path}"), e);
            let mut bytes = self.store().get(&path).await.map_err(failed)?.into_stream();
            let mut piece = Piece::Begin(Box::new(Reading::new(file)));
            while sender.send(piece).await.is_ok() {
                match bytes.next().await {
                    Some(bytes) => piece = Piece::Bytes(bytes.map_err(failed)?),
                    None => break,
                }
            }
        }
        Ok(())
    }
}

fn load_all(mut loader: Loader, mut pieces: mpsc::Receiver<Piece>) -> Result<Loader, StateError> {
    let mut file: Option<Box<Reading>> = None;
    while let Some(piece) = pieces.blocking_recv() {
        match (piece, &mut file) {
            (Piece::Bytes(bytes), Some(file)) => loader.take(file, bytes)?,
            (Piece::Bytes(_), None) => unreachable!("a file begins before its bytes"),
            (Piece::Begin(next), file) => {
                if let Some(file) = file.replace(next) {
                    file.end()?;
                }
            }
        }
    }
    if let Some(file) = file {
        file.end()?;
    }
    Ok(loader)
}
