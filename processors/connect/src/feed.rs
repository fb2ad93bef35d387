//! A feed as a sink: the latest row per key in a compacted topic, deletes as tombstones.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use async_trait::async_trait;

use millrace_bus::{
    Admin, EnqueueError, KafkaSettings, OutgoingRef, Producer, ProducerLimits, TopicSettings,
    TopicState,
};
use millrace_processors::connector::{
    ConnectorError, Position, Prepared, SinkCommitter, SinkFactory, SinkWriter, SplitId,
};
use millrace_processors::{Batch, RowKind};
use millrace_sinks::JsonRows;

use crate::error::{of_bus, of_send};

/// Where a feed is and what keys it.
#[derive(Debug, Clone)]
pub struct FeedSettings {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// How much each writer queues, and how long records wait for company.
    pub limits: ProducerLimits,
    /// The topic; it should be compacted, as [`Feed::create_topic`] makes it.
    pub topic: String,
    /// Key columns of the rows, at least one.
    pub key: Vec<String>,
}

/// Writes a changelog to a feed.
///
/// A record's key is the JSON object of the key columns, its value that of the whole row; null
/// columns are left out of both. A delete is a tombstone. Of a key that a batch changes more than
/// once, the last change alone is written: a row that is taken out and put back elsewhere, as a
/// ranking does, never looks deleted. After a restart the changes since the
/// last checkpoint are written again: readers may see a key's values repeated, but whoever reads to
/// the end sees the latest of each, as if each had been written once.
#[derive(Debug)]
pub struct Feed {
    settings: FeedSettings,
}

impl Feed {
    /// Checks `settings`; needs no broker yet.
    pub fn new(settings: FeedSettings) -> Result<Self, ConnectorError> {
        if settings.key.is_empty() {
            return Err(ConnectorError::Rejected(format!(
                "feed `{}` has no key; name the columns that make a row unique",
                settings.topic
            )));
        }
        Ok(Self { settings })
    }

    /// Creates the topic, compacted, unless it is there. One that is there is used as it is; if it
    /// is not compacted, that is warned about: it grows for ever, or forgets keys.
    pub async fn create_topic(
        &self,
        admin: &Admin,
        partitions: i32,
    ) -> Result<TopicState, ConnectorError> {
        let (topic, wanted) = (&self.settings.topic, TopicSettings::compacted(partitions));
        let state = admin.ensure_topic_with(topic, &wanted).await.map_err(of_bus)?;
        if !state.compacted {
            tracing::warn!(
                topic,
                "the topic of a feed is not compacted: it keeps every change of a key, or loses \
                 the latest; set cleanup.policy=compact"
            );
        }
        Ok(state)
    }
}

#[async_trait]
impl SinkFactory for Feed {
    async fn writer(
        &self,
        _instance: usize,
        _generation: u64,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        // One connection each: what a failed run queued goes with its writers, and cannot be
        // delivered behind the back of the next run by a producer they share.
        let producer = Producer::new(&self.settings.kafka, self.settings.limits).map_err(of_bus)?;
        let settings = self.settings.clone();
        let (keys, values) = (JsonRows::default(), JsonRows::default());
        Ok(Box::new(Writer { settings, producer, keys, values, bytes: 0 }))
    }

    async fn committer(&self, _generation: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        Ok(Box::new(NothingToCommit))
    }
}

struct Writer {
    settings: FeedSettings,
    producer: Producer,
    keys: JsonRows,
    values: JsonRows,
    bytes: u64,
}

impl Writer {
    fn encode(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let key = self.settings.key.iter().map(|name| rows.schema().index_of(name));
        let key: Vec<_> = key.collect::<Result<_, _>>()?;
        self.keys.encode(&rows.project(&key)?)?;
        self.values.encode(rows)
    }

    async fn enqueue(&self, row: usize, value: Option<&[u8]>) -> Result<(), ConnectorError> {
        let topic = &self.settings.topic;
        let record = OutgoingRef {
            topic,
            partition: None,
            key: Some(self.keys.row(row)),
            value,
            headers: &[],
            timestamp_ms: None,
        };
        let enqueued = self.producer.enqueue(record).await;
        enqueued.map_err(|error| match error {
            EnqueueError::Send(error) => of_send(topic, error),
            EnqueueError::Full => {
                ConnectorError::Rejected(format!("feed `{topic}`: a row is larger than the queue"))
            }
        })
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        self.encode(&batch.rows).map_err(|e| {
            ConnectorError::Rejected(format!("feed `{}`: {e}", self.settings.topic))
        })?;
        for row in last_changes(&batch, &self.keys) {
            let gone = batch.kind(row) == RowKind::Delete;
            let value = (!gone).then(|| self.values.row(row));
            self.enqueue(row, value).await?;
            self.bytes += (self.keys.row(row).len() + value.map_or(0, <[u8]>::len)) as u64;
        }
        Ok(())
    }

    async fn prepare(&mut self, _checkpoint: u64) -> Result<Prepared, ConnectorError> {
        let drained = self.producer.drained().await;
        drained.map_err(|e| of_send(&self.settings.topic, e))?;
        Ok(Prepared::Null)
    }

    /// Keys and values.
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The rows that say what becomes of each key, in order. An update-before is none of them: the
/// update-after that follows has the same key.
fn last_changes(batch: &Batch, keys: &JsonRows) -> Vec<usize> {
    let mut seen = HashSet::with_capacity(batch.len());
    let says = |row: &usize| batch.kind(*row) != RowKind::UpdateBefore;
    let mut last: Vec<_> =
        (0..batch.len()).rev().filter(says).filter(|row| seen.insert(keys.row(*row))).collect();
    last.reverse();
    last
}

/// A feed shows rows as they are written.
struct NothingToCommit;

#[async_trait]
impl SinkCommitter for NothingToCommit {
    async fn commit(
        &mut self,
        _: u64,
        _: &[(SplitId, Position)],
        _: Vec<Prepared>,
    ) -> Result<(), ConnectorError> {
        Ok(())
    }
}
