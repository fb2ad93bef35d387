//! How far each feed is, for those who serve it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

/// How far a feed is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct FeedStatus {
    /// The feed.
    pub feed: String,
    /// Rows held.
    pub records: u64,
    /// The offset after the last record taken, per partition.
    pub next: BTreeMap<i32, i64>,
    /// The end of the log as last heard, per partition; empty while the topic is not known.
    pub end: BTreeMap<i32, i64>,
    /// Everything up to `end` is taken.
    pub caught_up: bool,
    /// The topic was created again and is read from its start; rows of before are still served.
    pub rebuilding: bool,
    /// When the broker last answered about it, milliseconds since the Unix epoch.
    pub heard_ms: Option<i64>,
    /// Timestamp of the newest record taken since the start.
    pub newest_ms: Option<i64>,
    /// Why it is not followed at the moment.
    pub error: Option<String>,
}

impl FeedStatus {
    /// Records between what was taken and the end of the log.
    pub fn lag(&self) -> u64 {
        let behind = |(p, end): (&i32, &i64)| end - self.next.get(p).copied().unwrap_or(0);
        self.end.iter().map(behind).map(|n| u64::try_from(n).unwrap_or(0)).sum()
    }

    /// Whether what is served may be older than `after`: the broker has not answered since, or
    /// never, or says that the topic is not there.
    pub fn stale(&self, now_ms: i64, after: Duration) -> bool {
        let limit = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        self.end.is_empty() || self.heard_ms.is_none_or(|heard| now_ms - heard > limit)
    }
}

/// The statuses of a follower, and a signal for each change of a feed.
#[derive(Debug, Clone)]
pub struct Statuses {
    all: Arc<Mutex<BTreeMap<String, FeedStatus>>>,
    changed: watch::Sender<u64>,
}

impl Statuses {
    pub(super) fn new<'a>(feeds: impl Iterator<Item = &'a String>) -> Self {
        let begin = |feed: &String| FeedStatus { feed: feed.clone(), ..FeedStatus::default() };
        let all = feeds.map(|feed| (feed.clone(), begin(feed))).collect();
        Self { all: Arc::new(Mutex::new(all)), changed: watch::Sender::new(0) }
    }

    /// Every feed, by name.
    pub fn all(&self) -> Vec<FeedStatus> {
        self.locked().values().cloned().collect()
    }

    /// One feed; `None` if it is not followed.
    pub fn of(&self, feed: &str) -> Option<FeedStatus> {
        self.locked().get(feed).cloned()
    }

    /// Changes whenever rows of any feed did.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn change(&self, feed: &str, change: impl FnOnce(&mut FeedStatus)) {
        if let Some(status) = self.locked().get_mut(feed) {
            change(status);
        }
    }

    pub(super) fn rows_changed(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, FeedStatus>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
