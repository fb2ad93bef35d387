//! A feed as its readers have it: the latest row of each key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use millrace_bus::{Admin, Consumer, FetchLimits, KafkaSettings};
use millrace_events::TopicPartition;

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
