//! A Kafka producer that keeps account of what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;

use millrace_bus::{Admin, KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Outgoing, Transport};

use crate::{Acked, Fate, Planned};

/// Sends events to one topic.
pub struct KafkaWriter {
    topic: Arc<str>,
    producer: Producer,
}

impl KafkaWriter {
    /// A writer of `topic`, which is created with `partitions` when it is not there.
    pub async fn open(settings: &KafkaSettings, topic: &str, partitions: u32) -> Result<Self> {
        let partitions = i32::try_from(partitions)?;
        Admin::new(settings)?.ensure_topic(topic, partitions).await.context("create the topic")?;
        let limits = ProducerLimits { queue_bytes: 16 << 20, linger: Duration::from_millis(1) };
        Ok(Self { topic: topic.into(), producer: Producer::new(settings, limits)? })
    }

    /// Sends `events` and returns when every one of them is acknowledged.
    pub async fn write(&self, events: &[Planned]) -> Result<Acked> {
        let outgoing = events.iter().map(|event| Outgoing {
            topic: self.topic.clone(),
            partition: None,
            key: Some(Bytes::from(event.member.to_string())),
            value: Some(event.value.clone()),
            headers: Vec::new(),
            timestamp_ms: None,
        });
        let answers = self.producer.send(outgoing.collect()).await;
        let mut acked = Acked::default();
        for (event, answer) in events.iter().zip(answers) {
            answer.with_context(|| format!("send {}", event.id))?;
            match event.fate {
                Fate::Written => assert!(acked.written.insert(event.id.clone()), "ids are unique"),
                Fate::Filtered => acked.filtered += 1,
                Fate::Dead => acked.dead += 1,
            }
        }
        Ok(acked)
    }
}
