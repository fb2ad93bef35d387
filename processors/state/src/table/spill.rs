//! Entries of a table that move to local disk and back.
//!
//! An entry is in memory or on disk, never in both: whoever changes one on disk takes it from
//! there first. Only clean entries move, so that checkpoints never have to look on disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Table;
use super::chunks::At;
use super::local_store::{LocalStore, Unspilled};
use crate::{Key, KeyGroups, StateError, hash};

/// The part of a table that is on disk.
#[derive(Debug)]
pub(super) struct Spilled {
    store: Arc<LocalStore>,
    /// Number of the table in the store.
    table: u32,
    pub(super) entries: usize,
}

impl Spilled {
    pub(super) fn get(&self, namespace: i64, key: &[u8]) -> Result<Option<Unspilled>, StateError> {
        self.store.get(self.table, namespace, key)
    }

    pub(super) fn scan(
        &self,
        namespace: i64,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Unspilled), StateError>> {
        self.store.scan(self.table, namespace)
    }

    fn remove(&mut self, namespace: i64, key: &[u8]) -> Result<(), StateError> {
        self.store.remove(self.table, namespace, key)?;
        self.entries -= 1;
        Ok(())
    }
}

impl Table {
    /// Moves clean entries to disk, those not changed for longest first, until `bytes` of memory
    /// are free or none is left. Returns how much it freed.
    pub fn spill(&mut self, bytes: usize) -> Result<usize, StateError> {
        let before = self.bytes();
        let mut touched = BTreeSet::new();
        for chunk in self.chunks.clean_by_age() {
            if before - self.bytes() >= bytes {
                break;
            }
            self.spill_chunk(chunk, &mut touched)?;
        }
        for namespace in touched {
            let entry = self.namespaces.get_mut(&namespace).expect("what is spilled is in it");
            if entry.index.capacity() > 64 + 4 * entry.index.len() {
                entry.index.shrink_to(entry.index.len() * 2, |place| place.hash);
            }
        }
        Ok(before - self.bytes())
    }

    fn spill_chunk(&mut self, id: u32, touched: &mut BTreeSet<i64>) -> Result<(), StateError> {
        if self.spilled.is_none() {
            let store = self.memory.store()?;
            self.spilled = Some(Spilled { store, table: self.memory.number(), entries: 0 });
        }
        let chunk = self.chunks.chunk(id);
        let (namespaces, mut live) = (&mut self.namespaces, Vec::new());
        let mut next = (chunk.len() > 0).then_some(0);
        while let Some(offset) = next {
            next = chunk.next(offset);
            let record = chunk.record(offset);
            let at = At { chunk: id, offset };
            let Some(entry) = namespaces.get_mut(&record.namespace) else { continue };
            let place = entry.index.find_entry(hash(record.key), |place| place.at == at);
            if let Ok(place) = place {
                place.remove();
                entry.spilled += 1;
                touched.insert(record.namespace);
                live.push(record);
            }
        }
        let spilled = self.spilled.as_mut().expect("made above");
        self.entries -= live.len();
        spilled.entries += live.len();
        spilled.store.insert(spilled.table, live.into_iter())?;
        self.chunks.release(id);
        Ok(())
    }

    /// The value of an entry on disk.
    pub(super) fn look_on_disk(
        &self,
        namespace: i64,
        key: Key<'_>,
    ) -> Result<Option<Unspilled>, StateError> {
        let may_be = self.namespaces.get(&namespace).is_some_and(|entry| entry.spilled > 0);
        match &self.spilled {
            Some(spilled) if may_be => spilled.get(namespace, key.bytes),
            _ => Ok(None),
        }
    }

    /// Takes an entry from disk.
    pub(super) fn take_from_disk(
        &mut self,
        namespace: i64,
        key: Key<'_>,
    ) -> Result<Option<Unspilled>, StateError> {
        let Some(found) = self.look_on_disk(namespace, key)? else { return Ok(None) };
        let spilled = self.spilled.as_mut().expect("it was found there");
        spilled.remove(namespace, key.bytes)?;
        self.namespaces.get_mut(&namespace).expect("it was found in it").spilled -= 1;
        Ok(Some(found))
    }

    /// Removes the entries on disk of a namespace that are of these key groups.
    pub(super) fn drop_on_disk(
        &mut self,
        namespace: i64,
        key_groups: KeyGroups,
    ) -> Result<usize, StateError> {
        let Some(spilled) = &mut self.spilled else { return Ok(0) };
        let mut dropped = 0;
        for entry in spilled.scan(namespace) {
            let (key, value) = entry?;
            if key_groups.contains(value.group()) {
                spilled.store.remove(spilled.table, namespace, &key)?;
                dropped += 1;
            }
        }
        spilled.entries -= dropped;
        Ok(dropped)
    }
}
