//! The rows of feeds on disk, each feed with the positions they were read up to.

mod entry;
mod feed;
mod open;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::{Change, FeedError};

pub(crate) use feed::Feed;
pub use feed::{Changed, Changes, Places};

/// Longest name of a feed; the store's own names are a little longer.
const MAX_NAME: usize = 200;
/// Rows that were deleted are remembered this long, so that readers can be told.
pub(crate) const TOMBSTONES_MS: i64 = 24 * 3_600_000;

/// Rows and positions of feeds in an embedded store. Clones share it.
///
/// One follower writes; anybody reads. It is not for the path of requests that must not wait for a
/// disk: those read views.
#[derive(Clone)]
pub struct FeedStore {
    shared: Arc<Shared>,
}

/// An opened store.
pub struct Opened {
    /// The store.
    pub store: FeedStore,
    /// Whether what was there could not be read, was moved aside and begun again.
    pub rebuilt: bool,
}

struct Shared {
    feeds: RwLock<BTreeMap<String, Arc<Feed>>>,
    meta: Keyspace,
    database: Database,
}

impl std::fmt::Debug for FeedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedStore").field("feeds", &self.names()).finish_non_exhaustive()
    }
}

impl FeedStore {
    /// Opens the store in `dir`, or begins one, and reads it through once.
    ///
    /// One that cannot be read is moved aside, to a folder beside it, and begun again: feeds are
    /// copies, the topics hold them. One that another process uses is left alone.
    pub fn open(dir: &Path) -> Result<Opened, FeedError> {
        open::open(dir)
    }

    /// The latest row of `key`; `None` if there is none, or no such feed.
    pub fn get(&self, feed: &str, key: &[u8]) -> Result<Option<Bytes>, FeedError> {
        let Some(feed) = self.find(feed) else { return Ok(None) };
        if key.is_empty() {
            return Ok(None);
        }
        Ok(feed.entry(key)?.and_then(entry::Entry::row))
    }

    /// Every key and row of a feed, in order of the keys, as they are now.
    pub fn scan(
        &self,
        feed: &str,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), FeedError>> + use<> {
        self.rows(feed).map(|found| found.map(|(key, row, _)| (key, row)))
    }

    /// [`scan`](Self::scan) with the timestamp of each record.
    pub(crate) fn rows(
        &self,
        feed: &str,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes, i64), FeedError>> + use<> {
        let feed = self.find(feed);
        feed.into_iter().flat_map(|feed| feed.entries()).filter_map(|found| match found {
            Ok((key, entry)) => {
                let time_ms = entry.time_ms;
                entry.row().map(|row| Ok((key, row, time_ms)))
            }
            Err(error) => Some(Err(error)),
        })
    }

    /// What changed since `from`, the next offset of each partition: the latest row of each key
    /// that changed, at most `limit`, in the order of each partition's log. From the beginning
    /// that is every row.
    ///
    /// `None` when there is no such feed.
    pub fn changes(
        &self,
        feed: &str,
        from: &BTreeMap<i32, i64>,
        limit: usize,
    ) -> Result<Option<Changes>, FeedError> {
        let Some(feed) = self.find(feed) else { return Ok(None) };
        feed.changes(&self.shared.database.snapshot(), from, limit).map(Some)
    }

    /// The feeds that are held.
    pub fn names(&self) -> Vec<String> {
        let feeds = self.shared.feeds.read().unwrap_or_else(PoisonError::into_inner);
        feeds.keys().cloned().collect()
    }

    /// How far `feed` was read.
    pub fn places(&self, feed: &str) -> Option<Places> {
        self.find(feed).map(|feed| feed.places())
    }

    fn find(&self, name: &str) -> Option<Arc<Feed>> {
        let feeds = self.shared.feeds.read().unwrap_or_else(PoisonError::into_inner);
        feeds.get(name).cloned()
    }

    /// The feed of that name, begun if there is none.
    pub(crate) fn feed(&self, name: &str) -> Result<Arc<Feed>, FeedError> {
        if let Some(feed) = self.find(name) {
            return Ok(feed);
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) {
            return Err(FeedError::Name { name: name.to_owned() });
        }
        let feed = Arc::new(Feed::open(&self.shared.database, &self.shared.meta, name)?);
        let mut feeds = self.shared.feeds.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(feeds.entry(name.to_owned()).or_insert(feed)))
    }
}

/// Changes of one partition, with the offset each came at.
pub(crate) struct Batch<'a> {
    pub(crate) partition: i32,
    /// Offset of each change, ascending.
    pub(crate) offsets: &'a [i64],
    pub(crate) changes: &'a [Change],
    /// The offset after the last one accounted for.
    pub(crate) next: i64,
}

fn keyspace(database: &Database, name: &str) -> Result<Keyspace, FeedError> {
    let made = database.keyspace(name, KeyspaceCreateOptions::default);
    made.map_err(FeedError::store(format!("open {name}")))
}
