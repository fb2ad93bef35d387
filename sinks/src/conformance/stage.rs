//! Where a check plays: a topic of its own, writers, and what the audience must see.

use std::collections::BTreeMap;
use std::ops::Range;

use millrace_events::Offset;

use super::feed::{Fates, Log, mixed};
use super::harness::SinkHarness;
use crate::{Ledger, Sink, SinkError};

/// One check's view of the destination.
pub(super) struct Stage<'a> {
    pub(super) harness: &'a mut dyn SinkHarness,
    pub(super) log: Log,
}

impl<'a> Stage<'a> {
    pub(super) fn new(harness: &'a mut dyn SinkHarness, story: &str) -> Self {
        let log = Log { topic: story.into(), form: harness.form(), fates: mixed };
        Self { harness, log }
    }

    pub(super) fn with_fates(mut self, fates: Fates) -> Self {
        self.log.fates = fates;
        self
    }

    /// A writer that has claimed `partitions`.
    pub(super) async fn writer(&mut self, partitions: &[i32]) -> Writer {
        let mut writer = Writer { sink: self.harness.sink().await, log: self.log.clone() };
        writer.claim(partitions).await;
        writer
    }

    /// A writer that has claimed nothing.
    pub(super) async fn idle_writer(&mut self) -> Writer {
        Writer { sink: self.harness.sink().await, log: self.log.clone() }
    }

    /// Asserts that readers see the rows of `ranges`, all of them, and nothing else of this topic.
    pub(super) async fn assert_delivered(&mut self, ranges: &[(i32, Range<i64>)]) {
        self.assert_seen(ranges, false).await;
    }

    /// The same, but a sink that delivers at least once may show more.
    pub(super) async fn assert_delivered_or_more(&mut self, ranges: &[(i32, Range<i64>)]) {
        self.assert_seen(ranges, true).await;
    }

    async fn assert_seen(&mut self, ranges: &[(i32, Range<i64>)], more: bool) {
        let topic = &self.log.topic;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for id in self.harness.delivered().await {
            if id.rsplitn(3, '/').last() == Some(topic) {
                *seen.entry(id).or_default() += 1;
            }
        }
        let exactly_once = self.harness.exactly_once();
        for id in ranges.iter().flat_map(|(p, range)| self.log.ids(*p, range.clone())) {
            let times = seen.remove(&id).unwrap_or(0);
            assert!(times > 0, "{id} was committed and is not at the destination");
            assert!(times == 1 || !exactly_once, "{id} is at the destination {times} times");
        }
        if !more || exactly_once {
            assert!(seen.is_empty(), "{topic}: rows that must not be visible: {seen:?}");
        }
    }

    /// Asserts that the dead letters of `range` are kept, each once, and no others of `partition`.
    pub(super) async fn assert_dead(&mut self, partition: i32, range: Range<i64>) {
        let tp = self.log.tp(partition);
        let letters = self.harness.dead_letters().await;
        let mut kept: Vec<_> = letters.into_iter().filter(|letter| letter.tp == tp).collect();
        kept.sort_by_key(|letter| letter.offset);
        let offsets: Vec<_> = kept.iter().map(|letter| letter.offset.0).collect();
        assert_eq!(offsets, self.log.dead(range.clone()), "{tp}: dead letters kept");
        let mut sent = self.log.batch(partition, range).dead;
        sent.sort_by_key(|letter| letter.offset);
        assert_eq!(kept, sent, "{tp}: dead letters are kept as they came");
    }
}

/// A sink with the log it is fed from.
pub(super) struct Writer {
    pub(super) sink: Box<dyn Sink>,
    pub(super) log: Log,
}

impl Writer {
    /// Claims `partitions` and returns their ledgers in that order.
    pub(super) async fn claim(&mut self, partitions: &[i32]) -> Vec<Ledger> {
        let tps: Vec<_> = partitions.iter().map(|p| self.log.tp(*p)).collect();
        let found = self.sink.claim(&tps).await.expect("claims");
        assert_eq!(found.len(), tps.len(), "one ledger a partition: {found:?}");
        let ledger = |tp| found.iter().find(|(t, _)| t == tp).expect("a ledger each").1;
        tps.iter().map(ledger).collect()
    }

    /// Writes `range` of `partition` in batches of at most `step` offsets.
    pub(super) async fn feed(
        &mut self,
        partition: i32,
        range: Range<i64>,
        step: usize,
    ) -> Result<(), SinkError> {
        for from in range.clone().step_by(step) {
            let next = from.saturating_add_unsigned(step as u64).min(range.end);
            self.sink.write(self.log.batch(partition, from..next)).await?;
        }
        Ok(())
    }

    /// Commits and returns the ledger of `partition`, which must have moved.
    pub(super) async fn commit(&mut self, partition: i32) -> Result<Ledger, SinkError> {
        let tp = self.log.tp(partition);
        let moved = self.sink.commit().await?;
        Ok(moved.iter().find(|(t, _)| *t == tp).expect("the partition moved").1)
    }

    /// Feeds `range` and commits.
    pub(super) async fn settle(
        &mut self,
        partition: i32,
        range: Range<i64>,
    ) -> Result<Ledger, SinkError> {
        self.feed(partition, range, 7).await?;
        self.commit(partition).await
    }

    /// Claims `partition`, feeds from its ledger up to `end` and commits: what a router does after
    /// every failure. Returns the ledger found.
    pub(super) async fn resume(&mut self, partition: i32, end: i64) -> Ledger {
        let found = self.claim(&[partition]).await[0];
        let from = found.next.unwrap_or(Offset(0)).0;
        assert!(from <= end, "the ledger is ahead of what was ever fed: {found:?}");
        if from < end {
            let ledger = self.settle(partition, from..end).await.expect("settles");
            self.log.assert_ledger(&ledger, found.first.map_or(from, |first| first.0)..end);
        }
        found
    }
}

/// Asserts that `outcome` says a newer writer owns the partition.
pub(super) fn assert_fenced<T: std::fmt::Debug>(outcome: Result<T, SinkError>) {
    match outcome {
        Err(SinkError::Fenced { ours, theirs, .. }) => assert!(ours < theirs, "{ours} {theirs}"),
        other => panic!("expected Fenced, got {other:?}"),
    }
}
