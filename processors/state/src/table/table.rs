//! One table of an operator's state, as operators see it.

use std::collections::BTreeMap;

use super::chunk::Record;
use super::chunks::{At, Chunks};
use super::frozen::{Change, Frozen};
use super::local_store::Unspilled;
use super::memory::StateMemory;
use super::namespace::Namespace;
use super::spill::Spilled;
use super::store::Found;
use crate::{Key, KeyGroup, KeyGroups, StateError};

/// Bytes of memory of an entry in the index, on average over its growth.
const INDEX_ENTRY: usize = 28;
/// Bytes of memory of a namespace beside its entries.
const NAMESPACE: usize = 100;
/// A buffer that grew beyond this for one huge value is given back.
const SCRATCH: usize = 1 << 20;

/// Bytes by (namespace, key), of the key groups one instance owns.
///
/// A namespace is an instant (the end of a window, a timer, 0 for state without time): they are
/// listed in order, read whole, and dropped whole. An empty value means that there is none.
#[derive(Debug)]
pub struct Table {
    name: String,
    pub(super) namespaces: BTreeMap<i64, Namespace>,
    pub(super) chunks: Chunks,
    /// Namespaces dropped since the last freeze that a checkpoint knows.
    dropped: Vec<i64>,
    /// Number of freezes, from 1: what was loaded is from before.
    pub(super) freezes: u64,
    /// Entries in memory.
    pub(super) entries: usize,
    /// The value that is being changed.
    scratch: Vec<u8>,
    /// The record that is being moved.
    pub(super) moving: Vec<u8>,
    /// Where the entries are that were looked up ahead.
    pub(super) ahead: Vec<At>,
    pub(super) memory: StateMemory,
    /// The part that is on disk, once there is one.
    pub(super) spilled: Option<Spilled>,
    /// The entry on disk that was looked at last.
    looked_at: Option<Unspilled>,
}

impl Default for Table {
    fn default() -> Self {
        Self::new("")
    }
}

impl Table {
    /// An empty table that stays in memory.
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_memory(name, StateMemory::unlimited())
    }

    /// An empty table of an instance whose tables share `memory`.
    pub fn with_memory(name: impl Into<String>, memory: StateMemory) -> Self {
        Self {
            name: name.into(),
            namespaces: BTreeMap::new(),
            chunks: Chunks::default(),
            dropped: Vec::new(),
            freezes: 1,
            entries: 0,
            scratch: Vec::new(),
            moving: Vec::new(),
            ahead: Vec::new(),
            memory,
            spilled: None,
            looked_at: None,
        }
    }

    /// Its name, stable across versions of the job.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, or `None`.
    pub fn get(&mut self, namespace: i64, key: Key<'_>) -> Result<Option<&[u8]>, StateError> {
        if let Some(at) = self.find(namespace, key) {
            return Ok(Some(self.chunks.value(at)));
        }
        self.looked_at = self.look_on_disk(namespace, key)?;
        Ok(self.looked_at.as_ref().map(Unspilled::value))
    }

    /// Where the entry is that is about to change; one on disk is taken from there.
    #[inline]
    fn locate(&mut self, namespace: i64, key: Key<'_>) -> Result<Found, StateError> {
        if let Some(at) = self.find(namespace, key) {
            return Ok(Found::Memory(at));
        }
        if self.spilled.is_none() {
            return Ok(Found::Nowhere);
        }
        let found = self.take_from_disk(namespace, key)?;
        Ok(found.map_or(Found::Nowhere, Found::Unspilled))
    }

    #[inline]
    pub(super) fn find(&self, namespace: i64, key: Key<'_>) -> Option<At> {
        self.namespaces.get(&namespace)?.find(&self.chunks, key)
    }

    /// Replaces the value; an empty one removes it.
    pub fn put(&mut self, namespace: i64, key: Key<'_>, value: &[u8]) -> Result<(), StateError> {
        let found = self.locate(namespace, key)?;
        self.store(namespace, key, found, value);
        self.tidy();
        Ok(())
    }

    /// Changes the value in place; `change` sees an empty one if there is none, and removes it by
    /// leaving it empty.
    pub fn update<R>(
        &mut self,
        namespace: i64,
        key: Key<'_>,
        change: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, StateError> {
        let mut value = std::mem::take(&mut self.scratch);
        value.clear();
        let found = self.locate(namespace, key)?;
        match &found {
            Found::Memory(at) => value.extend_from_slice(self.chunks.value(*at)),
            Found::Unspilled(old) => value.extend_from_slice(old.value()),
            Found::Nowhere => {}
        }
        let result = change(&mut value);
        self.store(namespace, key, found, &value);
        if value.capacity() <= SCRATCH {
            self.scratch = value;
        }
        self.tidy();
        Ok(result)
    }

    /// Removes the value.
    pub fn remove(&mut self, namespace: i64, key: Key<'_>) -> Result<(), StateError> {
        self.put(namespace, key, &[])
    }

    /// The least namespace that holds anything.
    pub fn first_namespace(&mut self) -> Result<Option<i64>, StateError> {
        Ok(self.namespaces.keys().next().copied())
    }

    /// The namespaces from `from` up to and without `to` that hold anything, ascending.
    pub fn namespaces(&mut self, from: i64, to: i64) -> Result<Vec<i64>, StateError> {
        if from >= to {
            return Ok(Vec::new());
        }
        Ok(self.namespaces.range(from..to).map(|(namespace, _)| *namespace).collect())
    }

    /// Shows every key and value of a namespace, in an order that is the same for the same
    /// contents: by bytes of the key.
    pub fn scan(
        &mut self,
        namespace: i64,
        mut visit: impl FnMut(KeyGroup, &[u8], &[u8]),
    ) -> Result<(), StateError> {
        let Some(entries) = self.namespaces.get(&namespace) else { return Ok(()) };
        let records = entries.index.iter().map(|place| {
            let chunk = self.chunks.chunk(place.at.chunk);
            chunk.record(place.at.offset)
        });
        let mut sorted: Vec<_> = records.collect();
        sorted.sort_unstable_by_key(|record| record.key);
        let mut sorted = sorted.into_iter().peekable();
        if let (Some(spilled), 1..) = (&self.spilled, entries.spilled) {
            for entry in spilled.scan(namespace) {
                let (key, old) = entry?;
                while let Some(record) = sorted.next_if(|record| record.key < key.as_slice()) {
                    visit(record.group, record.key, record.value);
                }
                visit(old.group(), &key, old.value());
            }
        }
        for record in sorted {
            visit(record.group, record.key, record.value);
        }
        Ok(())
    }

    /// Visits every entry, in memory and on disk.
    pub(crate) fn export<E: From<StateError>>(
        &self,
        mut visit: impl FnMut(Change<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (&namespace, entries) in &self.namespaces {
            for place in &entries.index {
                let Record { group, key, value, .. } =
                    self.chunks.chunk(place.at.chunk).record(place.at.offset);
                visit(Change { namespace, group, key, value: Some(value) })?;
            }
            if let (Some(spilled), 1..) = (&self.spilled, entries.spilled) {
                for entry in spilled.scan(namespace) {
                    let (key, old) = entry?;
                    let value = Some(old.value());
                    visit(Change { namespace, group: old.group(), key: &key, value })?;
                }
            }
        }
        Ok(())
    }

    /// Removes everything of a namespace.
    pub fn drop_namespace(&mut self, namespace: i64) -> Result<(), StateError> {
        let Some(entries) = self.namespaces.remove(&namespace) else { return Ok(()) };
        self.entries -= entries.index.len();
        for place in &entries.index {
            self.chunks.kill(place.at);
        }
        if entries.spilled > 0 {
            self.drop_on_disk(namespace, KeyGroups::ALL)?;
        }
        if entries.born < self.freezes {
            self.dropped.push(namespace);
        }
        Ok(())
    }

    /// What changed since the last freeze, for a checkpoint. Copies nothing: its cost does not
    /// depend on how much there is, and the table goes on at once.
    pub fn freeze(&mut self) -> Frozen {
        self.freezes += 1;
        Frozen { chunks: self.chunks.freeze(), dropped: std::mem::take(&mut self.dropped) }
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        let index = self.entries * INDEX_ENTRY + self.namespaces.len() * NAMESPACE;
        self.chunks.bytes() + index
    }

    /// Bytes of memory that only a checkpoint can make fit to be moved to disk.
    pub fn dirty_bytes(&self) -> usize {
        self.chunks.dirty_bytes()
    }

    /// Number of entries, in memory and on disk.
    pub fn entries(&self) -> usize {
        self.entries + self.spilled_entries()
    }

    /// Number of entries on disk.
    pub fn spilled_entries(&self) -> usize {
        self.spilled.as_ref().map_or(0, |spilled| spilled.entries)
    }

    /// Bytes of keys and values ever written because entries changed beyond their room: how fast
    /// the table grows or is replaced.
    pub fn written_bytes(&self) -> u64 {
        self.chunks.written()
    }
}
