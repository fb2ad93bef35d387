//! Records on their way to a log, and the seam through which they get there.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Header, PartitionId};

/// A record to be appended to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Topic name as the broker knows it.
    pub topic: Arc<str>,
    /// Partition; `None` lets the key (or chance) decide.
    pub partition: Option<PartitionId>,
    /// Record key.
    pub key: Option<Bytes>,
    /// Record value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// Milliseconds since the Unix epoch; `None` takes the time of sending.
    pub timestamp_ms: Option<i64>,
}

impl Outgoing {
    /// Bytes the record takes in a buffer (estimate).
    pub fn bytes(&self) -> usize {
        let len = |b: &Option<Bytes>| b.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|h| h.name.len() + len(&h.value)).sum::<usize>();
        len(&self.key) + len(&self.value) + headers + 64
    }
}

/// Why a record was not acknowledged, by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The log cannot be reached or is overloaded: the same record may be sent again later.
    #[error("the broker did not acknowledge: {0}")]
    Unavailable(String),
    /// The log will never take this record (too large, unknown topic, not authorized).
    #[error("the broker refused the record: {0}")]
    Rejected(String),
}

/// Appends records to a log. Cancelling a call leaves open which records were appended.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Appends `records` and waits for the acknowledgement of all in-sync replicas. One result per
    /// record, in order. Records of one partition keep their order.
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>>;
}
