//! How entries of a table come to be, change and go.

use super::Table;
use super::chunk::{FRESH, REMOVED, Record};
use super::chunks::At;
use super::local_store::Unspilled;
use super::namespace::Namespace;
use crate::{Key, KeyGroups, StateError};

/// Where the entry of a key is.
#[derive(Debug)]
pub(super) enum Found {
    Memory(At),
    /// It was on disk; it is not any more, and must be stored anew or be removed.
    Unspilled(Unspilled),
    Nowhere,
}

impl Table {
    /// Stores the new value of an entry; an empty one removes it.
    pub(super) fn store(&mut self, namespace: i64, key: Key<'_>, found: Found, value: &[u8]) {
        let mut record = Record { namespace, group: key.group, flags: 0, key: key.bytes, value };
        match found {
            Found::Nowhere if value.is_empty() => {}
            found if value.is_empty() => self.erase(&record, key.hash, &found),
            Found::Memory(at) => {
                if self.chunks.value(at) == value || self.chunks.replace(at, value) {
                    return;
                }
                record.flags = if self.chunks.is_fresh(at) { FRESH } else { 0 };
                // A value that grew once will grow again.
                let grew = value.len() > self.chunks.value(at).len();
                let room = if grew { value.len() + value.len() / 2 } else { value.len() };
                let to = self.chunks.append(true, &record, room);
                let entry = self.namespaces.get_mut(&namespace);
                entry.expect("the entry was found in it").moved(key.hash, at, to);
                self.chunks.kill(at);
            }
            Found::Unspilled(old) => {
                let changed = old.value() != value;
                let at = self.chunks.append(changed, &record, value.len());
                self.insert(namespace, key.hash, at);
            }
            Found::Nowhere => {
                record.flags = FRESH;
                let at = self.chunks.append(true, &record, value.len());
                self.insert(namespace, key.hash, at);
            }
        }
    }

    fn insert(&mut self, namespace: i64, hash: u64, at: At) {
        let born = self.freezes;
        let entry = self.namespaces.entry(namespace).or_insert_with(|| Namespace::new(born));
        entry.insert(hash, at);
        self.entries += 1;
    }

    fn erase(&mut self, record: &Record<'_>, hash: u64, found: &Found) {
        let fresh = match found {
            Found::Memory(at) => {
                let fresh = self.chunks.is_fresh(*at);
                self.forget(record.namespace, hash, *at);
                fresh
            }
            Found::Unspilled(_) | Found::Nowhere => false,
        };
        self.forget_if_empty(record.namespace);
        if !fresh {
            self.chunks.append(true, &Record { flags: REMOVED, ..*record }, 0);
        }
    }

    fn forget_if_empty(&mut self, namespace: i64) {
        if self.namespaces.get(&namespace).is_some_and(Namespace::is_empty) {
            self.namespaces.remove(&namespace);
        }
    }

    /// Takes an entry out of the index and its record out of account.
    fn forget(&mut self, namespace: i64, hash: u64, at: At) {
        let entry = self.namespaces.get_mut(&namespace);
        entry.expect("the entry was found in it").remove(hash, at);
        self.entries -= 1;
        self.chunks.kill(at);
    }

    /// Looks up entries that are about to be changed, so that what they need of memory is near.
    /// None of these reads waits for another key's: the processor has many of them under way.
    pub(crate) fn look_ahead<'a>(&mut self, keys: impl Iterator<Item = (i64, Key<'a>)>) {
        let mut places = std::mem::take(&mut self.ahead);
        let mut namespace = None;
        places.extend(keys.filter_map(|(number, key)| {
            let (_, entries) = namespace
                .filter(|(last, _)| *last == number)
                .or_else(|| Some((number, self.namespaces.get(&number)?)))?;
            namespace = Some((number, entries));
            let place = entries.index.find(key.hash, |place| place.hash == key.hash);
            place.map(|place| place.at)
        }));
        let read = |at: At| self.chunks.chunk(at.chunk).touch(at.offset);
        // Nobody needs the sum, but without it there would be no reads.
        std::hint::black_box(places.drain(..).map(read).fold(0, u32::wrapping_add));
        self.ahead = places;
    }

    /// Takes an entry over from a checkpoint: nothing that the next one would have to hold.
    pub(crate) fn load(
        &mut self,
        namespace: i64,
        key: Key<'_>,
        value: &[u8],
    ) -> Result<(), StateError> {
        // Most of a chain is newer values of keys that are there, of the same length.
        if let Some(old) = self.find(namespace, key)
            && self.chunks.reload(old, value)
        {
            return Ok(());
        }
        self.take_from_disk(namespace, key)?;
        let record = Record { namespace, group: key.group, flags: 0, key: key.bytes, value };
        let at = self.chunks.append(false, &record, value.len());
        let entry = self.namespaces.entry(namespace).or_insert_with(|| Namespace::new(0));
        if let Some(old) = entry.find(&self.chunks, key) {
            entry.moved(key.hash, old, at);
            self.chunks.kill(old);
        } else {
            entry.insert(key.hash, at);
            self.entries += 1;
        }
        Ok(())
    }

    /// Takes a removal over from a checkpoint.
    pub(crate) fn load_removal(&mut self, namespace: i64, key: Key<'_>) -> Result<(), StateError> {
        let Some(entry) = self.namespaces.get(&namespace) else { return Ok(()) };
        match entry.find(&self.chunks, key) {
            Some(at) => self.forget(namespace, key.hash, at),
            None => {
                self.take_from_disk(namespace, key)?;
            }
        }
        self.forget_if_empty(namespace);
        Ok(())
    }

    /// Takes over from a checkpoint that a namespace was dropped, by who owned `key_groups`.
    pub(crate) fn load_drop(
        &mut self,
        namespace: i64,
        key_groups: KeyGroups,
    ) -> Result<(), StateError> {
        if !self.namespaces.contains_key(&namespace) {
            return Ok(());
        }
        let on_disk = self.drop_on_disk(namespace, key_groups)?;
        let entry = self.namespaces.get_mut(&namespace).expect("looked up above");
        entry.spilled -= on_disk;
        let mut dropped = Vec::new();
        entry.index.retain(|place| {
            let record = self.chunks.chunk(place.at.chunk).record(place.at.offset);
            let gone = key_groups.contains(record.group);
            if gone {
                dropped.push(place.at);
            }
            !gone
        });
        self.entries -= dropped.len();
        for at in dropped {
            self.chunks.kill(at);
        }
        self.forget_if_empty(namespace);
        Ok(())
    }
}
