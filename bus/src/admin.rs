//! Topics: create, count, measure.

use millrace_events::{Offset, TopicPartition};

use crate::{BusError, KafkaSettings};

/// Manages topics.
#[derive(Clone)]
pub struct Admin {
    _private: (),
}

#[expect(clippy::unused_self, unused_variables, clippy::unused_async)]
impl Admin {
    /// Connects lazily.
    pub fn new(settings: &KafkaSettings) -> Result<Self, BusError> {
        todo!()
    }

    /// Creates the topic unless it is there; returns how many partitions it has.
    pub async fn ensure_topic(&self, name: &str, partitions: i32) -> Result<i32, BusError> {
        todo!()
    }

    /// How many partitions the topic has; `None` when there is no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<Option<i32>, BusError> {
        todo!()
    }

    /// First offset held and the offset the next record will get.
    pub async fn watermarks(&self, tp: &TopicPartition) -> Result<(Offset, Offset), BusError> {
        todo!()
    }
}
