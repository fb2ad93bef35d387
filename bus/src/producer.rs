//! Appends records to topics, acknowledged by all in-sync replicas.

use std::time::Duration;

use async_trait::async_trait;
use millrace_events::{Header, Outgoing, PartitionId, SendError, Transport};

use crate::{BusError, KafkaSettings};

/// How much a producer holds and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerLimits {
    /// Bytes queued and not yet acknowledged.
    pub queue_bytes: usize,
    /// How long a record may wait for company.
    pub linger: Duration,
}

/// A record to append, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRef<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition; `None` lets the key (or chance) decide.
    pub partition: Option<PartitionId>,
    /// Record key.
    pub key: Option<&'a [u8]>,
    /// Record value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header],
    /// Milliseconds since the Unix epoch; `None` takes the time of sending.
    pub timestamp_ms: Option<i64>,
}

/// Why a record was not enqueued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// The queue is full: wait for acknowledgements.
    #[error("the producer's queue is full")]
    Full,
    /// The record or the producer is at fault.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Appends records.
#[derive(Clone)]
pub struct Producer {
    _private: (),
}

#[expect(clippy::unused_self, unused_variables, clippy::unused_async)]
impl Producer {
    /// Connects lazily: succeeds without a broker.
    pub fn new(settings: &KafkaSettings, limits: ProducerLimits) -> Result<Self, BusError> {
        todo!()
    }

    /// Enqueues a record.
    pub fn try_enqueue(&self, record: OutgoingRef<'_>) -> Result<(), EnqueueError> {
        todo!()
    }

    /// Waits for everything enqueued through this handle since the last call; the first error, if any.
    pub async fn drained(&self) -> Result<(), SendError> {
        todo!()
    }
}

#[async_trait]
impl Transport for Producer {
    async fn send(&self, _records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        todo!()
    }
}
