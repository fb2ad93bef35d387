//! What changed in a table between two freezes.

use std::sync::Arc;

use super::chunk::{Chunk, REMOVED};
use crate::KeyGroup;

/// What changed in a table since the freeze before: shared with the table, copied nowhere.
#[derive(Debug, Default)]
pub struct Frozen {
    pub(super) chunks: Vec<Arc<Chunk>>,
    /// Namespaces that were dropped, before all changes.
    pub(super) dropped: Vec<i64>,
}

/// A changed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Namespace of the key.
    pub namespace: i64,
    /// Group of its partitioning key.
    pub group: KeyGroup,
    /// The key.
    pub key: &'a [u8],
    /// Its value; `None` if it was removed.
    pub value: Option<&'a [u8]>,
}

impl Frozen {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.dropped.is_empty()
    }

    /// Bytes of memory that it keeps from being freed.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity()).sum()
    }

    /// The namespaces that were dropped: before the changes, so that what these put into one of
    /// them stays.
    pub fn dropped(&self) -> &[i64] {
        &self.dropped
    }

    /// The changes, in the order in which they have to be applied.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.chunks.iter().flat_map(|chunk| changes(chunk))
    }

    /// Visits the changes in order, and lets go of their memory on the way.
    pub(crate) fn drain<E>(
        self,
        mut visit: impl FnMut(Change<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.chunks.into_iter().try_for_each(|chunk| changes(&chunk).try_for_each(&mut visit))
    }
}

fn changes(chunk: &Chunk) -> impl Iterator<Item = Change<'_>> {
    chunk.records().map(|record| Change {
        namespace: record.namespace,
        group: record.group,
        key: record.key,
        value: (record.flags & REMOVED == 0).then_some(record.value),
    })
}
