//! Reads the topics: every batch into the store, then into the views.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use millrace_bus::{BusError, Consumer};
use millrace_events::{Clock, Offset, RawBatch, TopicPartition};

use super::start::{Ends, Start, decide};
use super::watch::News;
use super::{FollowerSettings, Statuses};
use crate::store::{Batch, Feed};
use crate::{Change, FeedError, View};

/// How long to wait for records before looking for news again.
const POLL: Duration = Duration::from_millis(50);
/// Pause before a reader that failed is replaced.
const AGAIN: Duration = Duration::from_millis(500);
/// How often to clean up, and to note that feeds are followed.
const UPKEEP: Duration = Duration::from_hours(1);
/// The broker answered about a feed that is followed no longer ago than this.
const HEARD: Duration = Duration::from_mins(1);
/// Longest key the store takes.
const MAX_KEY: usize = u16::MAX as usize;

/// Why a consumer had to be given up.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Store(#[from] FeedError),
}

pub(super) struct Reader {
    pub(super) settings: FollowerSettings,
    pub(super) feeds: BTreeMap<String, Arc<Feed>>,
    pub(super) views: BTreeMap<String, Vec<Box<dyn View>>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) statuses: Statuses,
    pub(super) stop: CancellationToken,
    pub(super) news: Receiver<News>,
}

impl Reader {
    pub(super) fn run(mut self) {
        while !self.stop.is_cancelled() {
            if let Err(error) = self.session() {
                tracing::warn!(%error, "feeds are read with a new consumer");
                let text = error.to_string();
                for feed in self.feeds.keys() {
                    self.statuses.change(feed, |status| status.error = Some(text.clone()));
                }
                let until = self.clock.monotonic() + AGAIN;
                while !self.stop.is_cancelled() && self.clock.monotonic() < until {
                    std::thread::sleep(POLL);
                }
            }
        }
        self.upkeep();
    }

    /// One consumer's life. It also ends when a topic is read from its start: the client library
    /// remembers where the topic before it ended.
    fn session(&mut self) -> Result<(), Broken> {
        let mut consumer = Consumer::manual(&self.settings.kafka, self.settings.limits)?;
        let mut started = BTreeSet::new();
        let since = self.clock.monotonic();
        let mut kept_up = since;
        while !self.stop.is_cancelled() {
            while let Ok(news) = self.news.try_recv() {
                // Older ones do not know what the consumer before this one read.
                if news.asked >= since && self.heard(&mut consumer, &mut started, &news)? {
                    return Ok(());
                }
            }
            for batch in consumer.poll(POLL)? {
                self.take(&batch)?;
            }
            self.look(&consumer)?;
            if self.clock.monotonic() > kept_up + UPKEEP {
                kept_up = self.clock.monotonic();
                self.upkeep();
            }
        }
        Ok(())
    }

    /// Whether a topic has to be read from its start.
    fn heard(
        &mut self,
        consumer: &mut Consumer,
        started: &mut BTreeSet<TopicPartition>,
        news: &News,
    ) -> Result<bool, Broken> {
        let now = self.clock.now_ms();
        match &news.found {
            Err(error) => {
                self.statuses.change(&news.feed, |status| status.error = Some(error.clone()));
            }
            Ok(None) => {
                release(consumer, started, &news.feed);
                self.statuses.change(&news.feed, |status| {
                    status.heard_ms = Some(now);
                    status.caught_up = false;
                    status.end.clear();
                    status.error = Some(format!("there is no topic `{}`", news.feed));
                });
            }
            Ok(Some(ends)) => {
                if self.is_another(started, &news.feed, ends)? {
                    return Ok(true);
                }
                self.begin(consumer, started, &news.feed, ends)?;
                self.statuses.change(&news.feed, |status| {
                    status.heard_ms = Some(now);
                    status.error = None;
                    for (partition, (_, high)) in (0..).zip(ends) {
                        let end = status.end.entry(partition).or_default();
                        *end = high.0.max(*end);
                    }
                });
            }
        }
        Ok(false)
    }

    /// Whether the topic is not the one that was read; its rows are then to be read again.
    fn is_another(
        &self,
        started: &BTreeSet<TopicPartition>,
        name: &str,
        ends: &[Ends],
    ) -> Result<bool, Broken> {
        let feed = &self.feeds[name];
        let stands = |p| !started.contains(&TopicPartition::new(name, p));
        let Start::Again(why) = decide(&feed.places().next, ends, stands) else {
            return Ok(false);
        };
        tracing::warn!(feed = name, why, "the topic is read from its start");
        counter!("millrace_feed_rebuilds_total", "feed" => name.to_owned()).increment(1);
        feed.rebuild(self.clock.now_ms())?;
        self.statuses.change(name, |status| {
            status.next.clear();
            status.end.clear();
        });
        Ok(true)
    }

    /// Starts the partitions that are not read yet.
    fn begin(
        &self,
        consumer: &mut Consumer,
        started: &mut BTreeSet<TopicPartition>,
        name: &str,
        ends: &[Ends],
    ) -> Result<(), Broken> {
        let next = self.feeds[name].places().next;
        for partition in (0..).take(ends.len()) {
            let tp = TopicPartition::new(name, partition);
            if started.contains(&tp) {
                continue;
            }
            let from = consumer.start_at(&tp, next.get(&partition).copied().map(Offset))?;
            self.statuses.change(name, |status| {
                status.next.insert(partition, from.0);
            });
            started.insert(tp);
        }
        Ok(())
    }

    fn take(&mut self, batch: &RawBatch) -> Result<(), Broken> {
        let (name, partition) = (&*batch.tp().topic, batch.tp().partition.0);
        let Some(feed) = self.feeds.get(name) else { return Ok(()) };
        let (mut offsets, mut changes) = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            let record = batch.record(row);
            let key = record.key.filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
            let Some(key) = key else {
                counter!("millrace_feed_skipped_total", "feed" => name.to_owned()).increment(1);
                continue;
            };
            offsets.push(record.offset.0);
            changes.push(Change {
                key: Bytes::copy_from_slice(key),
                row: record.value.map(Bytes::copy_from_slice),
                time_ms: record.timestamp_ms,
            });
        }
        let next = batch.range().next.0;
        let now = self.clock.now_ms();
        let written = Batch { partition, offsets: &offsets, changes: &changes, next };
        let more = feed.write(&written, now)?;
        self.show(name, &changes);
        self.statuses.change(name, |status| {
            status.records = status.records.saturating_add_signed(more);
            status.next.insert(partition, next);
            status.heard_ms = Some(now);
            status.newest_ms = changes.iter().map(|c| c.time_ms).max().max(status.newest_ms);
        });
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        counter!("millrace_feed_changes_total", "feed" => name.to_owned()).increment(count);
        Ok(())
    }

    /// Hands changes to the views and to whoever waits for some.
    fn show(&mut self, name: &str, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        for view in self.views.get_mut(name).into_iter().flatten() {
            view.apply(changes);
        }
        self.statuses.rows_changed();
    }

    /// Sees how far everything is; ends what was being rebuilt.
    fn look(&mut self, consumer: &Consumer) -> Result<(), Broken> {
        for (tp, lag) in consumer.lag() {
            self.statuses.change(&tp.topic, |status| {
                let next = status.next.get(&tp.partition.0).copied().unwrap_or(0);
                let end = next.saturating_add_unsigned(lag);
                let known = status.end.entry(tp.partition.0).or_default();
                *known = end.max(*known);
            });
        }
        let names: Vec<_> = self.feeds.keys().cloned().collect();
        for name in &names {
            let rebuilding = self.feeds[name].places().rebuilding;
            let (mut caught_up, mut some, mut lag) = (false, false, 0);
            self.statuses.change(name, |status| {
                lag = status.lag();
                caught_up = !status.end.is_empty() && lag == 0;
                // An empty topic is one that nobody has written to yet.
                some = status.end.values().any(|end| *end > 0);
                status.caught_up = caught_up && (some || !rebuilding);
                status.rebuilding = rebuilding;
            });
            if rebuilding && caught_up && some {
                self.sweep(name)?;
            }
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            gauge!("millrace_feed_lag_records", "feed" => name.clone()).set(lag as f64);
        }
        Ok(())
    }

    fn sweep(&mut self, name: &str) -> Result<(), Broken> {
        let (time_ms, mut gone) = (self.clock.now_ms(), Vec::new());
        let each = |key| gone.push(Change { key, row: None, time_ms });
        self.feeds[name].sweep(each)?;
        self.show(name, &gone);
        tracing::info!(feed = name, removed = gone.len(), "the feed was built again");
        self.statuses.change(name, |status| {
            status.records -= status.records.min(gone.len() as u64);
            status.rebuilding = false;
        });
        Ok(())
    }

    fn upkeep(&self) {
        let now = self.clock.now_ms();
        for (name, feed) in &self.feeds {
            // Not followed is not to be noted as followed.
            if self.statuses.of(name).is_none_or(|status| status.stale(now, HEARD)) {
                continue;
            }
            if let Err(error) = feed.forget_deleted(now).and_then(|()| feed.followed(now)) {
                tracing::warn!(feed = name, %error, "the feed store was not cleaned");
            }
        }
    }
}

/// Stops reading `name`.
fn release(consumer: &mut Consumer, started: &mut BTreeSet<TopicPartition>, name: &str) {
    started.retain(|tp| {
        let keep = *tp.topic != *name;
        if !keep {
            consumer.stop(tp);
        }
        keep
    });
}
