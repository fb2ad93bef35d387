//! One feed: the latest record of each key, an index of them in the order of the log, and places.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fjall::{Database, Keyspace, Readable, Snapshot};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Place};
use super::{Batch, TOMBSTONES_MS, keyspace};
use crate::FeedError;

/// Prefixes of the store's own names: key → entry, place → key.
pub(super) const ROWS: &str = "rows.";
const LOG: &str = "log.";
/// Entries removed in one batch.
const SWEEP: usize = 4096;

/// How far a feed was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Places {
    /// Which copy of the topic: it grows when the topic is created again.
    pub generation: u32,
    /// A new copy is being read: rows of the one before are still there.
    pub rebuilding: bool,
    /// The offset after the last record taken, per partition.
    pub next: BTreeMap<i32, i64>,
    /// When the topic was last known to be followed, milliseconds since the Unix epoch; at least
    /// once an hour.
    pub heard_ms: i64,
}

/// Part of the changes of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes, by partition, in the order of the log.
    pub items: Vec<Changed>,
    /// Where to go on.
    pub next: BTreeMap<i32, i64>,
    /// Which copy of the topic they are of.
    pub generation: u32,
    /// Whether there is more now.
    pub more: bool,
}

/// A key that changed and what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The record's key.
    pub key: Bytes,
    /// The row; `None` when it was deleted.
    pub row: Option<Bytes>,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
}

pub(crate) struct Feed {
    name: String,
    meta: Keyspace,
    rows: Keyspace,
    log: Keyspace,
    database: Database,
    places: Mutex<Places>,
}

impl Feed {
    pub(super) fn open(
        database: &Database,
        meta: &Keyspace,
        name: &str,
    ) -> Result<Self, FeedError> {
        let (rows, log) = (format!("{ROWS}{name}"), format!("{LOG}{name}"));
        let kept = meta.get(name).map_err(FeedError::store(format!("read places of {name}")))?;
        let places = kept.map_or(Ok(Places::default()), |kept| parse(name, &kept))?;
        Ok(Self {
            rows: keyspace(database, &rows)?,
            log: keyspace(database, &log)?,
            meta: meta.clone(),
            name: name.to_owned(),
            database: database.clone(),
            places: Mutex::new(places),
        })
    }

    fn locked(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn places(&self) -> Places {
        self.locked().clone()
    }

    fn damaged(&self, what: &str) -> FeedError {
        FeedError::Damaged { what: format!("{what} of feed {}", self.name) }
    }

    fn failed(&self, what: &str) -> impl FnOnce(fjall::Error) -> FeedError + use<> {
        FeedError::store(format!("{what} feed {}", self.name))
    }

    /// Reads everything once.
    pub(super) fn check(&self) -> Result<(), FeedError> {
        for found in self.entries() {
            found?;
        }
        for found in self.log.iter() {
            let (place, key) = found.into_inner().map_err(self.failed("read"))?;
            if Place::of_key(&place).is_none() || key.is_empty() {
                return Err(self.damaged("the index"));
            }
        }
        Ok(())
    }

    pub(super) fn entry(&self, key: &[u8]) -> Result<Option<Entry>, FeedError> {
        let found = self.rows.get(key).map_err(self.failed("read"))?;
        found.map(|v| Entry::decode(&v).ok_or_else(|| self.damaged("a row"))).transpose()
    }

    /// Every entry, deleted ones too.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = Result<(Bytes, Entry), FeedError>> + use<> {
        let name = self.name.clone();
        self.rows.iter().map(move |found| {
            let read = FeedError::store(format!("read feed {name}"));
            let (key, value) = found.into_inner().map_err(read)?;
            let damaged = || FeedError::Damaged { what: format!("a row of feed {name}") };
            let entry = Entry::decode(&value).ok_or_else(damaged)?;
            Ok((Bytes::copy_from_slice(&key), entry))
        })
    }

    /// Writes a batch and the place after it, both or neither. Returns how many rows more there
    /// are.
    pub(crate) fn write(&self, batch: &Batch<'_>, now_ms: i64) -> Result<i64, FeedError> {
        // A key may stand once in a batch of the store; only its latest row counts anyway.
        let last: HashMap<_, _> =
            batch.changes.iter().enumerate().map(|(at, change)| (&change.key, at)).collect();
        let taken: HashSet<i64> = last.values().map(|at| batch.offsets[*at]).collect();
        let mut places = self.places();
        places.next.insert(batch.partition, batch.next);
        places.heard_ms = now_ms;
        let mut writes = self.database.batch();
        let mut more = 0;
        for (at, (offset, change)) in batch.offsets.iter().zip(batch.changes).enumerate() {
            if last[&change.key] != at {
                continue;
            }
            let entry = Entry {
                generation: places.generation,
                place: Place { partition: batch.partition, offset: *offset },
                time_ms: if change.row.is_some() { change.time_ms } else { now_ms },
                live: change.row.is_some(),
                body: change.row.clone().unwrap_or_default(),
            };
            let before = self.entry(&change.key)?;
            more += i64::from(entry.live) - i64::from(before.as_ref().is_some_and(|e| e.live));
            let stays = |p: Place| p.partition == batch.partition && taken.contains(&p.offset);
            if let Some(before) = before.filter(|before| !stays(before.place)) {
                self.unlist(&mut writes, &before, &change.key)?;
            }
            writes.insert(&self.log, entry.place.key(), &change.key[..]);
            writes.insert(&self.rows, &change.key[..], entry.encode());
        }
        self.keep(&mut writes, &places);
        writes.commit().map_err(self.failed("write"))?;
        *self.locked() = places;
        Ok(more)
    }

    /// Takes an entry out of the index, unless its place there is another key's by now: offsets
    /// begin again when a topic does.
    fn unlist(
        &self,
        writes: &mut fjall::OwnedWriteBatch,
        entry: &Entry,
        key: &[u8],
    ) -> Result<(), FeedError> {
        let place = entry.place.key();
        if self.log.get(place).map_err(self.failed("read"))?.is_some_and(|at| *at == *key) {
            writes.remove(&self.log, place);
        }
        Ok(())
    }

    fn keep(&self, writes: &mut fjall::OwnedWriteBatch, places: &Places) {
        let json = serde_json::to_vec(places).expect("numbers only");
        writes.insert(&self.meta, self.name.as_str(), json);
    }

    /// Begins to read another copy of the topic from its start. The rows stay until
    /// [`sweep`](Self::sweep).
    pub(crate) fn rebuild(&self, now_ms: i64) -> Result<(), FeedError> {
        let generation = self.places().generation + 1;
        let next = BTreeMap::new();
        self.put(Places { generation, rebuilding: true, next, heard_ms: now_ms })
    }

    /// Notes that the feed is followed, though nothing may have changed.
    pub(crate) fn followed(&self, now_ms: i64) -> Result<(), FeedError> {
        self.put(Places { heard_ms: now_ms, ..self.places() })
    }

    fn put(&self, places: Places) -> Result<(), FeedError> {
        let mut writes = self.database.batch();
        self.keep(&mut writes, &places);
        writes.commit().map_err(self.failed("write places of"))?;
        *self.locked() = places;
        Ok(())
    }

    /// Removes what the copy being read does not have; `each` is told of the rows among it. To be
    /// called when that copy was read to its end. A crash in between leaves the rest for the next
    /// call.
    pub(crate) fn sweep(&self, mut each: impl FnMut(Bytes)) -> Result<(), FeedError> {
        let generation = self.places().generation;
        let mut old = self.remove_if(|entry| entry.generation != generation, &mut each)?;
        let places = Places { rebuilding: false, ..self.places() };
        self.keep(&mut old, &places);
        old.commit().map_err(self.failed("sweep"))?;
        *self.locked() = places;
        Ok(())
    }

    /// Forgets rows deleted longer ago than readers may stay away.
    pub(crate) fn forget_deleted(&self, now_ms: i64) -> Result<(), FeedError> {
        let before = now_ms - TOMBSTONES_MS;
        let rest = self.remove_if(|e| !e.live && e.time_ms < before, &mut |_| {})?;
        rest.commit().map_err(self.failed("clean"))
    }

    fn remove_if(
        &self,
        gone: impl Fn(&Entry) -> bool,
        each: &mut dyn FnMut(Bytes),
    ) -> Result<fjall::OwnedWriteBatch, FeedError> {
        let mut writes = self.database.batch();
        for found in self.entries() {
            let (key, entry) = found?;
            if !gone(&entry) {
                continue;
            }
            self.unlist(&mut writes, &entry, &key)?;
            writes.remove(&self.rows, &key[..]);
            if entry.live {
                each(key);
            }
            if writes.len() >= SWEEP {
                let full = std::mem::replace(&mut writes, self.database.batch());
                full.commit().map_err(self.failed("sweep"))?;
            }
        }
        Ok(writes)
    }

    pub(super) fn changes(
        &self,
        at: &Snapshot,
        from: &BTreeMap<i32, i64>,
        limit: usize,
    ) -> Result<Changes, FeedError> {
        let kept = at.get(&self.meta, self.name.as_str()).map_err(self.failed("read"))?;
        let places = kept.map_or(Ok(Places::default()), |kept| parse(&self.name, &kept))?;
        let mut changes = Changes {
            items: Vec::new(),
            next: from.clone(),
            generation: places.generation,
            more: false,
        };
        for (&partition, &end) in &places.next {
            let start = from.get(&partition).copied().unwrap_or(0);
            let place = |offset| Place { partition, offset }.key();
            let range = (Bound::Included(place(start)), Bound::Excluded(place(end.max(start))));
            let mut next = end.max(start);
            for found in at.range(&self.log, range) {
                let (at_place, key) = found.into_inner().map_err(self.failed("read"))?;
                let place = Place::of_key(&at_place).ok_or_else(|| self.damaged("the index"))?;
                if changes.items.len() >= limit {
                    (next, changes.more) = (place.offset, true);
                    break;
                }
                let value = at.get(&self.rows, &key).map_err(self.failed("read"))?;
                let entry = value.as_deref().and_then(Entry::decode);
                let entry = entry.ok_or_else(|| self.damaged("a row"))?;
                changes.items.push(Changed {
                    key: Bytes::copy_from_slice(&key),
                    row: entry.row(),
                    partition,
                    offset: place.offset,
                });
            }
            changes.next.insert(partition, next);
        }
        Ok(changes)
    }
}

fn parse(name: &str, kept: &[u8]) -> Result<Places, FeedError> {
    let damaged = |_| FeedError::Damaged { what: format!("the places of feed {name}") };
    serde_json::from_slice(kept).map_err(damaged)
}
