//! Dead letters: events that could not be decoded or routed, with all that is needed to replay
//! them.

use crate::{Header, Offset, RawBatch, TopicPartition};

/// One dead-lettered event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it was read.
    pub tp: TopicPartition,
    /// Its position.
    pub offset: Offset,
    /// The record's timestamp, milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The original bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Vec<Header>,
    /// What is wrong with it, for a person.
    pub reason: String,
}

impl DeadLetter {
    /// The record in `row` of `batch`, refused for `reason`.
    pub fn of(batch: &RawBatch, row: usize, reason: impl Into<String>) -> Self {
        let record = batch.record(row);
        Self {
            tp: batch.tp().clone(),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
            reason: reason.into(),
        }
    }
}
