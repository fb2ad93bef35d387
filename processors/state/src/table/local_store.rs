//! Entries that were moved out of memory: an LSM store in a folder of its own.
//!
//! Nothing in it outlives the run, and nothing has to: checkpoints hold all of it.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, UserValue};
use tempfile::TempDir;

use super::chunk::Record;
use crate::{KeyGroup, StateError};

/// Least and greatest size of what the store holds in memory itself before it writes.
const BUFFER: (usize, usize) = (1 << 20, 32 << 20);

fn failed(error: fjall::Error) -> StateError {
    StateError::store("state on local disk", error)
}

/// What was moved out of memory, of all tables of an instance.
pub(super) struct LocalStore {
    // Before the folder: it is closed first.
    entries: Keyspace,
    database: Database,
    _folder: TempDir,
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore").field("path", &self.entries.path()).finish_non_exhaustive()
    }
}

/// An entry that was moved out: two bytes of key group before the value.
#[derive(Debug, Clone)]
pub(super) struct Unspilled(UserValue);

impl Unspilled {
    pub(super) fn group(&self) -> KeyGroup {
        KeyGroup(self.0.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes)))
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.0[2..]
    }
}

/// Keys in the store: number of the table, namespace so that it sorts, key.
fn stored_key(table: u32, namespace: i64, key: &[u8]) -> Vec<u8> {
    // Flipping the sign makes the order of unsigned numbers that of signed ones.
    let namespace = namespace.cast_unsigned() ^ (1 << 63);
    [&table.to_be_bytes()[..], &namespace.to_be_bytes(), key].concat()
}

const PREFIX: usize = 12;

impl LocalStore {
    /// A new one below `directory`, for an instance that may use `limit` bytes of memory.
    pub(super) fn create(directory: Option<&Path>, limit: usize) -> Result<Self, StateError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("state-");
        let folder = match directory {
            Some(directory) => {
                std::fs::create_dir_all(directory).and_then(|()| builder.tempdir_in(directory))
            }
            None => builder.tempdir(),
        };
        let folder = folder.map_err(|e| StateError::store("a folder for state on disk", e))?;
        let buffer = (limit / 8).clamp(BUFFER.0, BUFFER.1) as u64;
        let database = Database::builder(folder.path().join("lsm"))
            .manual_journal_persist(true)
            .worker_threads(1)
            .cache_size(buffer)
            .open()
            .map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(buffer);
        let entries = database.keyspace("entries", options).map_err(failed)?;
        Ok(Self { entries, database, _folder: folder })
    }

    /// Writes entries, all at once.
    pub(super) fn insert<'a>(
        &self,
        table: u32,
        records: impl Iterator<Item = Record<'a>>,
    ) -> Result<(), StateError> {
        let mut batch = self.database.batch();
        for record in records {
            let key = stored_key(table, record.namespace, record.key);
            let value = [&record.group.0.to_le_bytes()[..], record.value].concat();
            batch.insert(&self.entries, key, value);
        }
        batch.commit().map_err(failed)
    }

    pub(super) fn get(
        &self,
        table: u32,
        namespace: i64,
        key: &[u8],
    ) -> Result<Option<Unspilled>, StateError> {
        let found = self.entries.get(stored_key(table, namespace, key)).map_err(failed)?;
        Ok(found.map(Unspilled))
    }

    pub(super) fn remove(&self, table: u32, namespace: i64, key: &[u8]) -> Result<(), StateError> {
        self.entries.remove(stored_key(table, namespace, key)).map_err(failed)
    }

    /// The entries of a namespace, in order of their keys.
    pub(super) fn scan(
        &self,
        table: u32,
        namespace: i64,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Unspilled), StateError>> {
        self.entries.prefix(stored_key(table, namespace, &[])).map(|entry| {
            let (key, value) = entry.into_inner().map_err(failed)?;
            Ok((key[PREFIX..].to_vec(), Unspilled(value)))
        })
    }

    /// Bytes on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.entries.disk_space()
    }
}
