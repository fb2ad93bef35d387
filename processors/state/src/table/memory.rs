//! How much memory the tables of an instance may use together.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::Table;
use super::local_store::LocalStore;
use crate::StateError;

/// The memory for the state of one instance, shared by its tables: what does not fit moves to
/// local disk, in a folder made when it is first needed and removed with the last table.
#[derive(Debug, Clone)]
pub struct StateMemory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    directory: Option<PathBuf>,
    store: Mutex<Option<Arc<LocalStore>>>,
    tables: AtomicU32,
    used: AtomicUsize,
}

impl StateMemory {
    /// Up to `limit` bytes; the rest goes below `directory` (the system's folder for temporary
    /// files if `None`).
    pub fn new(limit: usize, directory: Option<PathBuf>) -> Self {
        let store = Mutex::new(None);
        let (tables, used) = (AtomicU32::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { limit, directory, store, tables, used }))
    }

    /// Without a limit.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX, None)
    }

    /// Bytes that may be used.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes in use when [`spill_if_needed`] last looked.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes on local disk.
    pub fn disk_bytes(&self) -> u64 {
        let store = self.0.store.lock().expect("nobody panics while holding it");
        store.as_ref().map_or(0, |store| store.disk_bytes())
    }

    /// A number for a new table.
    pub(super) fn number(&self) -> u32 {
        self.0.tables.fetch_add(1, Ordering::Relaxed)
    }

    /// The store on disk, made if it is not there yet.
    pub(super) fn store(&self) -> Result<Arc<LocalStore>, StateError> {
        let mut store = self.0.store.lock().expect("nobody panics while holding it");
        if let Some(store) = store.as_ref() {
            return Ok(Arc::clone(store));
        }
        let made = Arc::new(LocalStore::create(self.0.directory.as_deref(), self.0.limit)?);
        Ok(Arc::clone(store.insert(made)))
    }
}

/// Moves the entries that were not changed for longest to disk if the tables of an instance hold
/// more memory than they may, until a quarter of it is free again. To be called between batches.
///
/// Only entries that a checkpoint has frozen can move; where everything is newer than that,
/// memory stays above the limit until the next checkpoint (see [`Table::dirty_bytes`]).
pub fn spill_if_needed(memory: &StateMemory, tables: &mut [&mut Table]) -> Result<(), StateError> {
    let used = tables.iter().map(|table| table.bytes()).sum();
    memory.0.used.store(used, Ordering::Relaxed);
    let limit = memory.limit();
    if used <= limit {
        return Ok(());
    }
    let mut excess = used - (limit - limit / 4);
    // From the largest first: moving few entries of each of many tables costs more.
    tables.sort_by_cached_key(|table| Reverse(table.bytes() - table.dirty_bytes()));
    for table in tables {
        excess = excess.saturating_sub(table.spill(excess)?);
        if excess == 0 {
            break;
        }
    }
    Ok(())
}
