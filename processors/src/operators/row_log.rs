//! Entries kept by instant and key group, in order of arrival: appended singly, read back whole.

use std::collections::BTreeMap;

use millrace_state::{KEY_GROUPS, Key, KeyGroup, Table};

use crate::{JobError, Micros};

/// Bytes after which a chunk is full. Small enough that a checkpoint, which writes the chunks that
/// changed, does not write what it has written; large enough that there are few.
const CHUNK_BYTES: usize = 4_096;

/// A log per (instant, key group).
///
/// Its table holds chunks: the key is the key group and the chunk's number, the value is entries
/// back to back. What is in memory (the last chunk of each log) is found again by reading the
/// table.
pub(crate) struct RowLog {
    table: Table,
    last: BTreeMap<Micros, Vec<Tail>>,
}

/// Number of chunks of a log, and bytes in the last one.
#[derive(Clone, Copy, Default)]
struct Tail {
    chunks: u32,
    bytes: usize,
}

/// Key of a chunk. Big-endian, so that scans come in order.
fn chunk_key(group: u16, chunk: u32) -> [u8; 6] {
    let mut key = [0; 6];
    key[..2].copy_from_slice(&group.to_be_bytes());
    key[2..].copy_from_slice(&chunk.to_be_bytes());
    key
}

impl RowLog {
    pub(crate) fn new(mut table: Table) -> Result<Self, JobError> {
        let mut last: BTreeMap<Micros, Vec<Tail>> = BTreeMap::new();
        for at in table.namespaces(Micros::MIN, Micros::MAX)? {
            let tails = last.entry(at).or_insert_with(no_tails);
            table.scan(at, |group, _, value| {
                let tail = &mut tails[usize::from(group.0)];
                *tail = Tail { chunks: tail.chunks + 1, bytes: value.len() };
            })?;
        }
        Ok(Self { table, last })
    }

    pub(crate) fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Appends entries to the log of an instant and a key group.
    pub(crate) fn append(
        &mut self,
        at: Micros,
        group: KeyGroup,
        entries: &[u8],
    ) -> Result<(), JobError> {
        let tails = self.last.entry(at).or_insert_with(no_tails);
        let tail = &mut tails[usize::from(group.0)];
        if tail.chunks == 0 || tail.bytes >= CHUNK_BYTES {
            *tail = Tail { chunks: tail.chunks + 1, bytes: 0 };
        }
        tail.bytes += entries.len();
        let key = chunk_key(group.0, tail.chunks - 1);
        let key = Key::within(group, &key);
        Ok(self.table.update(at, key, |value| value.extend_from_slice(entries))?)
    }

    /// The earliest instant that holds entries.
    pub(crate) fn first(&self) -> Option<Micros> {
        self.last.keys().next().copied()
    }

    /// Adds the entries of an instant and a key group to `into`, in order of arrival.
    pub(crate) fn read(
        &mut self,
        at: Micros,
        group: u16,
        into: &mut Vec<u8>,
    ) -> Result<(), JobError> {
        let Some(tails) = self.last.get(&at) else { return Ok(()) };
        for chunk in 0..tails[usize::from(group)].chunks {
            let key = chunk_key(group, chunk);
            let found = self.table.get(at, Key::within(KeyGroup(group), &key))?;
            into.extend_from_slice(found.unwrap_or_default());
        }
        Ok(())
    }

    /// Removes all entries of an instant.
    pub(crate) fn clear(&mut self, at: Micros) -> Result<(), JobError> {
        if self.last.remove(&at).is_some() {
            self.table.drop_namespace(at)?;
        }
        Ok(())
    }
}

fn no_tails() -> Vec<Tail> {
    vec![Tail::default(); usize::from(KEY_GROUPS)]
}
