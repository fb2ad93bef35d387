//! The index of one namespace: where the record of a key is.

use hashbrown::HashTable;

use super::chunks::{At, Chunks};
use crate::Key;

/// Where a record is, with the hash of its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) hash: u64,
    pub(super) at: At,
}

/// What a namespace holds.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Number of freezes when it began: one from before the last freeze is in a checkpoint.
    pub(super) born: u64,
    pub(super) index: HashTable<Place>,
    /// Entries that are in the local store and not in the index.
    pub(super) spilled: usize,
}

impl Namespace {
    pub(super) fn new(born: u64) -> Self {
        Self { born, index: HashTable::new(), spilled: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty() && self.spilled == 0
    }

    #[inline]
    pub(super) fn find(&self, chunks: &Chunks, key: Key<'_>) -> Option<At> {
        let same = |place: &Place| place.hash == key.hash && chunks.key(place.at) == key.bytes;
        self.index.find(key.hash, same).map(|place| place.at)
    }

    pub(super) fn insert(&mut self, hash: u64, at: At) {
        self.index.insert_unique(hash, Place { hash, at }, |place| place.hash);
    }

    /// Notes that a record has moved.
    pub(super) fn moved(&mut self, hash: u64, from: At, to: At) {
        let place = self.index.find_mut(hash, |place| place.at == from);
        place.expect("live records are in the index").at = to;
    }

    pub(super) fn remove(&mut self, hash: u64, at: At) {
        let entry = self.index.find_entry(hash, |place| place.at == at);
        entry.expect("live records are in the index").remove();
    }
}
