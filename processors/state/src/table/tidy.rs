//! Emptying chunks that are mostly dead, a few records at a time.

use super::Table;
use super::chunk::{DEAD, REMOVED, Record};
use super::chunks::At;
use crate::{Key, hash};

/// Records looked at per change: a change makes one record dead at most, and a chunk is emptied
/// when half of it is dead, so that this many keep up.
const RECORDS: usize = 4;

impl Table {
    /// Goes on with emptying chunks.
    #[inline]
    pub(super) fn tidy(&mut self) {
        if self.chunks.sparsest().is_some() {
            self.tidy_some(RECORDS);
        }
    }

    #[cold]
    pub(super) fn tidy_some(&mut self, records: usize) {
        for _ in 0..records {
            let Some(chunk) = self.chunks.sparsest() else { return };
            let from = At { chunk, offset: self.chunks.cursor };
            let next = self.chunks.chunk(chunk).next(from.offset);
            self.move_record(from);
            // Its last live record gone, the chunk was released, and the next one's turn began.
            if self.chunks.sparsest() != Some(chunk) {
                continue;
            }
            match next {
                Some(next) => self.chunks.cursor = next,
                // What is left are removals that count no more.
                None => self.chunks.release(chunk),
            }
        }
    }

    /// Moves a record elsewhere, if it still says anything.
    fn move_record(&mut self, from: At) {
        let mut bytes = std::mem::take(&mut self.moving);
        let dirty = self.chunks.is_dirty(from.chunk);
        let source = self.chunks.chunk(from.chunk).record(from.offset);
        bytes.clear();
        bytes.extend_from_slice(source.key);
        bytes.extend_from_slice(source.value);
        let (key, value) = bytes.split_at(source.key.len());
        let Record { namespace, group, flags, .. } = source;
        let record = Record { namespace, group, flags, key, value };
        let namespace = self.namespaces.get_mut(&record.namespace);
        if record.flags & DEAD != 0 {
            // Says nothing.
        } else if record.flags & REMOVED != 0 {
            let key = Key { group, hash: hash(key), bytes: key };
            let again = namespace.and_then(|namespace| namespace.find(&self.chunks, key));
            match again {
                // The newer value stands for the removal, and must leave one if it goes.
                Some(at) if dirty => self.chunks.clear_fresh(at),
                None if dirty => {
                    self.chunks.append(true, &record, 0);
                    self.chunks.kill(from);
                }
                Some(_) | None => {}
            }
        } else if let Some(namespace) = namespace {
            let hash = hash(key);
            let place = namespace.index.find_mut(hash, |place| place.at == from);
            if let Some(place) = place {
                place.at = self.chunks.append(dirty, &record, value.len());
                self.chunks.kill(from);
            }
        }
        self.moving = bytes;
    }
}
