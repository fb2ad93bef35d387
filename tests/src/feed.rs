//! A feed as its readers have it, the latest row of each key, and as its writers make it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::{Map, Value};

use millrace_bus::{
    Admin, Consumer, FetchLimits, KafkaSettings, Producer, ProducerLimits, TopicSettings,
};
use millrace_events::{Outgoing, TopicPartition, Transport};

/// Writes rows to a feed as jobs do: a record's key is the object of the `key` columns. The topic
/// is created, compacted, when it is not there.
pub async fn write_feed(
    kafka: &KafkaSettings,
    feed: &str,
    key: &[&str],
    rows: &[Value],
) -> Result<()> {
    Admin::new(kafka)?.ensure_topic_with(feed, &TopicSettings::compacted(2)).await?;
    let limits = ProducerLimits { queue_bytes: 8 << 20, linger: Duration::ZERO };
    let producer = Producer::new(kafka, limits)?;
    let record = |row: &Value| {
        let key: Map<String, Value> =
            key.iter().map(|column| ((*column).to_owned(), row[*column].clone())).collect();
        Outgoing {
            topic: feed.into(),
            partition: None,
            key: Some(Bytes::from(Value::Object(key).to_string())),
            value: Some(Bytes::from(row.to_string())),
            headers: Vec::new(),
            timestamp_ms: None,
        }
    };
    for sent in producer.send(rows.iter().map(record).collect()).await {
        sent.with_context(|| format!("write the feed {feed}"))?;
    }
    Ok(())
}

/// What compaction would leave of a topic.
///
/// Reads up to where the topic ends now; needs a runtime with more than one thread.
pub async fn latest_by_key(kafka: &KafkaSettings, topic: &str) -> Result<BTreeMap<Vec<u8>, Value>> {
    let admin = Admin::new(kafka)?;
    let limits = FetchLimits { queue_bytes: 1 << 20, batch_bytes: 1 << 20 };
    let mut consumer = Consumer::manual(kafka, limits)?;
    let mut left = BTreeSet::new();
    let mut ends = BTreeMap::new();
    for partition in 0..admin.partitions(topic).await?.context("the feed has a topic")? {
        let tp = TopicPartition::new(topic, partition);
        let (low, high) = admin.watermarks(&tp).await?;
        if low < high {
            ends.insert(partition, high);
            left.insert(partition);
        }
        tokio::task::block_in_place(|| consumer.start_at(&tp, None))?;
    }
    let mut rows = BTreeMap::new();
    while !left.is_empty() {
        let polled = tokio::task::block_in_place(|| consumer.poll(Duration::from_millis(100)))?;
        for batch in polled {
            for row in 0..batch.len() {
                let record = batch.record(row);
                let key = record.key.context("a record of a feed has a key")?.to_vec();
                match record.value {
                    Some(value) => rows.insert(key, serde_json::from_slice(value)?),
                    None => rows.remove(&key),
                };
            }
            let partition = batch.tp().partition.0;
            if ends.get(&partition).is_none_or(|end| batch.range().next >= *end) {
                left.remove(&partition);
            }
        }
    }
    Ok(rows)
}
