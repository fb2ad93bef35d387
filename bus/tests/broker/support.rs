//! What the bus tests share: a topic filled with numbered records, and readers of it.
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, Consumer, FetchLimits, Producer, ProducerLimits, Rebalance};
use millrace_events::{Offset, Outgoing, PartitionId, RawBatch, TopicPartition, Transport};

/// Fails a test that would otherwise hang; nothing is measured against it.
pub(crate) const HANGS: Duration = Duration::from_mins(1);
pub(crate) const LIMITS: FetchLimits = FetchLimits { queue_bytes: 8 << 20, batch_bytes: 1 << 20 };

/// Notes what the listener was told.
#[derive(Default)]
pub(crate) struct Told(pub Mutex<Vec<(&'static str, Vec<TopicPartition>)>>);

impl Told {
    fn note(&self, what: &'static str, partitions: &[TopicPartition]) {
        self.0.lock().unwrap().push((what, partitions.to_vec()));
    }

    pub(crate) fn assigned(&self) -> Vec<TopicPartition> {
        let told = self.0.lock().unwrap();
        let mut ours = Vec::new();
        for (what, partitions) in told.iter() {
            ours.retain(|tp| *what == "assigned" || !partitions.contains(tp));
            ours.extend(partitions.iter().filter(|_| *what == "assigned").cloned());
        }
        ours.sort();
        ours
    }
}

impl Rebalance for Told {
    fn assigned(&self, partitions: &[TopicPartition]) {
        self.note("assigned", partitions);
    }
    fn revoked(&self, partitions: &[TopicPartition]) {
        self.note("revoked", partitions);
    }
    fn lost(&self, partitions: &[TopicPartition]) {
        self.note("lost", partitions);
    }
}

/// A broker and a topic.
pub(crate) struct Stage {
    pub(crate) broker: TestBroker,
    pub(crate) topic: String,
    pub(crate) producer: Producer,
}

impl Stage {
    pub(crate) async fn new(partitions: i32) -> Self {
        let broker = TestBroker::start().await;
        let topic = broker.topic("bus");
        let admin = Admin::new(&broker.settings()).unwrap();
        assert_eq!(admin.ensure_topic(&topic, partitions).await.unwrap(), partitions);
        let limits = ProducerLimits { queue_bytes: 8 << 20, linger: Duration::from_millis(2) };
        let producer = Producer::new(&broker.settings(), limits).unwrap();
        Self { broker, topic, producer }
    }

    pub(crate) fn tp(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), partition)
    }

    /// A record whose value is its number.
    pub(crate) fn numbered(&self, partition: i32, number: usize) -> Outgoing {
        Outgoing {
            topic: self.topic.as_str().into(),
            partition: Some(PartitionId(partition)),
            key: None,
            value: Some(format!("{number:08}").into_bytes().into()),
            headers: Vec::new(),
            timestamp_ms: Some(1_700_000_000_000 + i64::try_from(number).unwrap()),
        }
    }

    /// Appends records with these numbers to a partition.
    pub(crate) async fn fill(&self, partition: i32, numbers: std::ops::Range<usize>) {
        let records = numbers.map(|n| self.numbered(partition, n)).collect();
        for outcome in self.producer.send(records).await {
            outcome.unwrap();
        }
    }

    pub(crate) fn manual(&self) -> Consumer {
        Consumer::manual(&self.broker.settings(), LIMITS).unwrap()
    }

    pub(crate) fn member(&self, group: &str, told: &Arc<Told>) -> Consumer {
        let topics = [self.topic.clone()];
        let session = Duration::from_secs(6);
        Consumer::group(&self.broker.settings(), group, session, LIMITS, &topics, told.clone())
            .unwrap()
    }
}

/// Polls until `done` says so.
pub(crate) fn poll_until(consumer: &mut Consumer, mut done: impl FnMut(Vec<RawBatch>) -> bool) {
    let started = Instant::now();
    while !done(consumer.poll(Duration::from_millis(50)).unwrap()) {
        assert!(started.elapsed() < HANGS, "still waiting");
    }
}

/// Reads `tp` up to `end`; asserts that the ranges are contiguous from `from`.
pub(crate) fn read_to(
    consumer: &mut Consumer,
    tp: &TopicPartition,
    from: Offset,
    end: Offset,
) -> Vec<RawBatch> {
    let (mut all, mut position) = (Vec::new(), from);
    poll_until(consumer, |batches| {
        for batch in batches.into_iter().filter(|b| b.tp() == tp) {
            assert_eq!(batch.range().from, position, "ranges are contiguous");
            assert!(batch.range().next > position, "a batch covers something");
            position = batch.range().next;
            all.push(batch);
        }
        position >= end
    });
    assert_eq!(position, end, "nothing beyond the end");
    all
}

/// Offset and value, as text, of every record.
pub(crate) fn texts(batches: &[RawBatch]) -> Vec<(i64, String)> {
    let of = |b: &RawBatch, row: usize| {
        let record = b.record(row);
        (record.offset.0, String::from_utf8_lossy(record.value.unwrap_or(b"-")).into_owned())
    };
    batches.iter().flat_map(|b| (0..b.len()).map(move |row| of(b, row))).collect()
}

/// What `texts` gives for records numbered like their offsets.
pub(crate) fn expected(offsets: std::ops::Range<usize>) -> Vec<(i64, String)> {
    offsets.map(|n| (i64::try_from(n).unwrap(), format!("{n:08}"))).collect()
}
