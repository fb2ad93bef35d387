//! Follows feeds in a thread of its own: topics → store → views.

mod reader;
mod start;
mod status;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use millrace_bus::{Admin, FetchLimits, KafkaSettings};
use millrace_events::Clock;

use crate::{Change, FeedError, FeedStore, View};

use reader::Reader;
pub use status::{FeedStatus, Statuses};

/// Answers of the broker that wait for the reader; more are asked again anyway.
const NEWS: usize = 256;
/// Rows handed to a view at once when it starts.
const CHUNK: usize = 4096;
/// Away for longer than this, deletes may be gone from a compacted topic: brokers keep them for a
/// day (`delete.retention.ms`). The feed is then read from its start.
const AWAY_MS: i64 = 12 * 3_600_000;

/// What to follow and how.
#[derive(Debug, Clone)]
pub struct FollowerSettings {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// Feeds to keep beside those of the views.
    pub feeds: Vec<String>,
    /// How much is fetched ahead and applied at once.
    pub limits: FetchLimits,
    /// How often the broker is asked which topics there are and where they end.
    pub ask_every: Duration,
}

impl FollowerSettings {
    /// Defaults: 16 MiB ahead, 1 MiB at once, asking every second.
    pub fn new(kafka: KafkaSettings) -> Self {
        let limits = FetchLimits { queue_bytes: 16 << 20, batch_bytes: 1 << 20 };
        Self { kafka, feeds: Vec::new(), limits, ask_every: Duration::from_secs(1) }
    }
}

/// Two threads: one reads topics and applies what comes, one asks the broker where topics end, so
/// that a broker that does not answer holds up nobody.
///
/// A topic that is not there yet is waited for; one that is gone, or a broker that is, leaves the
/// rows as they are, and the status says so. One that was created again is read from its start
/// while the old rows are served; what it does not have goes when its end is reached.
///
/// Dropping it ends both threads soon; [`stop`](Self::stop) waits for them, after which the store
/// is closed once its other clones are dropped.
#[derive(Debug)]
pub struct Follower {
    statuses: Statuses,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl Follower {
    /// Fills the views from the store, without Kafka, then starts to follow.
    #[expect(clippy::needless_pass_by_value, reason = "whoever follows owns a handle of the store")]
    pub fn start(
        settings: FollowerSettings,
        store: FeedStore,
        views: Vec<Box<dyn View>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FeedError> {
        let mut by_feed: BTreeMap<String, Vec<Box<dyn View>>> =
            settings.feeds.iter().map(|feed| (feed.clone(), Vec::new())).collect();
        for view in views {
            by_feed.entry(view.feed().to_owned()).or_default().push(view);
        }
        let statuses = Statuses::new(by_feed.keys());
        let mut feeds = BTreeMap::new();
        for (name, views) in &mut by_feed {
            let feed = store.feed(name)?;
            let now = clock.now_ms();
            feed.forget_deleted(now)?;
            let places = feed.places();
            if !places.next.is_empty() && now - places.heard_ms > AWAY_MS {
                tracing::warn!(feed = name, "away for too long: the feed is read from its start");
                feed.rebuild(now)?;
            }
            let records = fill(&store, name, views)?;
            statuses.change(name, |status| {
                status.records = records;
                status.next.clone_from(&places.next);
            });
            feeds.insert(name.clone(), feed);
        }
        let admin = Admin::new(&settings.kafka)?;
        let (news, inbox) = sync_channel(NEWS);
        let stop = CancellationToken::new();
        let watch = watch::Watch {
            admin,
            feeds: feeds.keys().cloned().collect(),
            every: settings.ask_every,
            clock: Arc::clone(&clock),
            news,
        };
        let reader = Reader {
            settings,
            feeds,
            views: by_feed,
            clock,
            statuses: statuses.clone(),
            stop: stop.clone(),
            news: inbox,
        };
        let asking = stop.clone();
        let threads = vec![
            spawn("feeds-read", move || reader.run())?,
            spawn("feeds-watch", move || watch.run(&asking))?,
        ];
        Ok(Self { statuses, stop, threads })
    }

    /// What is followed and how far it is.
    pub fn status(&self) -> Vec<FeedStatus> {
        self.statuses.all()
    }

    /// The same, for those who outlive this handle.
    pub fn statuses(&self) -> Statuses {
        self.statuses.clone()
    }

    /// Ends following; what was taken is in the store.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
        });
        if joined.await.is_ok_and(|panicked| panicked > 0) {
            tracing::error!("a thread of the follower had panicked");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, FeedError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|e| FeedError::Start(Box::new(e)))
}

/// Hands every row of the store to the views; how many there are.
fn fill(store: &FeedStore, feed: &str, views: &mut [Box<dyn View>]) -> Result<u64, FeedError> {
    for view in views.iter_mut() {
        view.reset();
    }
    let (mut records, mut chunk) = (0, Vec::with_capacity(CHUNK));
    for found in store.rows(feed) {
        let (key, row, time_ms) = found?;
        records += 1;
        chunk.push(Change { key, row: Some(row), time_ms });
        if chunk.len() == CHUNK {
            show(views, &chunk);
            chunk.clear();
        }
    }
    show(views, &chunk);
    Ok(records)
}

fn show(views: &mut [Box<dyn View>], changes: &[Change]) {
    for view in views {
        view.apply(changes);
    }
}
