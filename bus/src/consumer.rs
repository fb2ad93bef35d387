//! Reads topics as batches per partition.

use std::sync::Arc;
use std::time::Duration;

use millrace_events::{Offset, RawBatch, TopicPartition};

use crate::{BusError, KafkaSettings};

/// How much a consumer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Bytes fetched ahead, over all partitions.
    pub queue_bytes: usize,
    /// Bytes of keys and values one `poll` returns, about.
    pub batch_bytes: usize,
}

/// Is told which partitions come and go, from inside `Consumer::poll`.
pub trait Rebalance: Send + Sync {
    /// These are ours now; each delivers nothing before `Consumer::start_at`.
    fn assigned(&self, partitions: &[TopicPartition]);
    /// These go to somebody else when this returns: finish with them first. Blocking is allowed.
    fn revoked(&self, partitions: &[TopicPartition]);
    /// These are already somebody else's: whatever is not committed is theirs to do again.
    fn lost(&self, partitions: &[TopicPartition]);
}

/// Reads topics.
pub struct Consumer {
    _private: (),
}

#[expect(clippy::unused_self, unused_variables, clippy::needless_pass_by_value)]
impl Consumer {
    /// A member of a consumer group.
    pub fn group(
        settings: &KafkaSettings,
        group_id: &str,
        session_timeout: Duration,
        limits: FetchLimits,
        topics: &[String],
        listener: Arc<dyn Rebalance>,
    ) -> Result<Self, BusError> {
        todo!()
    }

    /// The only reader.
    pub fn alone(
        settings: &KafkaSettings,
        limits: FetchLimits,
        topics: &[String],
        listener: Arc<dyn Rebalance>,
    ) -> Result<Self, BusError> {
        todo!()
    }

    /// Reads what `start_at` names.
    pub fn manual(settings: &KafkaSettings, limits: FetchLimits) -> Result<Self, BusError> {
        todo!()
    }

    /// Starts delivering `tp` at `at`.
    pub fn start_at(&mut self, tp: &TopicPartition, at: Option<Offset>) -> Result<Offset, BusError> {
        todo!()
    }

    /// Stops delivering `tp`.
    pub fn stop(&mut self, tp: &TopicPartition) {
        todo!()
    }

    /// Takes what is there, waiting up to `timeout` for the first record.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<RawBatch>, BusError> {
        todo!()
    }

    /// Stops fetching; the position stays.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        todo!()
    }

    /// Goes on after `pause`.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        todo!()
    }

    /// Records between the position and the end of the log, per started partition.
    pub fn lag(&self) -> Vec<(TopicPartition, u64)> {
        todo!()
    }

    /// Shows how far processing is (group offsets), for lag displays only.
    pub fn show_progress(&self, positions: &[(TopicPartition, Offset)]) {
        todo!()
    }
}
