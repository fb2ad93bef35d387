//! How far a reader outside any group is, shown as the offsets of one.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};

use millrace_events::{Offset, TopicPartition};

use crate::admin::blocking;
use crate::logging::Talk;
use crate::{BusError, KafkaSettings};

/// How long a question, and the last update of a client that goes, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers looked at after each update.
const MAX_ANSWERS: usize = 64;

impl ConsumerContext for Talk {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(target: "kafka", %error, "the lag display was not updated");
        }
    }
}

/// Shows progress under a group id, for tools that display consumer lag. Nothing here resumes from
/// it.
pub struct GroupProgress {
    client: Arc<BaseConsumer<Talk>>,
}

impl GroupProgress {
    /// Connects lazily: succeeds without a broker. The group must have no members.
    pub fn new(settings: &KafkaSettings, group_id: &str) -> Result<Self, BusError> {
        let mut config = settings.client()?;
        config
            .set("group.id", group_id)
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("socket.timeout.ms", PATIENCE.as_millis().to_string());
        let client = config.create_with_context(Talk);
        let client = client
            .map_err(|e| BusError::refused(format!("the Kafka settings are not accepted: {e}")))?;
        Ok(Self { client: Arc::new(client) })
    }

    /// Everything before these offsets is done. Does not wait: what fails is logged, and the next
    /// call says it again.
    pub fn show(&self, positions: &[(TopicPartition, Offset)]) {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (tp, next) in positions {
            // Only an offset below zero is refused.
            let _ = list.add_partition_offset(&tp.topic, tp.partition.0, At::Offset(next.0));
        }
        if list.count() > 0
            && let Err(error) = self.client.commit(&list, CommitMode::Async)
        {
            tracing::debug!(target: "kafka", %error, "the lag display was not updated");
        }
        let answers = (0..MAX_ANSWERS).map_while(|_| self.client.poll(Duration::ZERO));
        for error in answers.filter_map(Result::err) {
            tracing::debug!(target: "kafka", %error, "the lag display");
        }
    }

    /// What was shown last of these partitions, by whichever client; those never shown are left
    /// out.
    pub async fn shown(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Offset)>, BusError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for tp in partitions {
            list.add_partition(&tp.topic, tp.partition.0);
        }
        let client = Arc::clone(&self.client);
        blocking("ask for the progress shown".to_owned(), move |what| {
            let answer = client.committed_offsets(list, PATIENCE);
            let answer = answer.map_err(|e| BusError::of(what, e))?;
            let shown = answer.elements().into_iter().filter_map(|p| match p.offset() {
                At::Offset(next) => {
                    Some((TopicPartition::new(p.topic(), p.partition()), Offset(next)))
                }
                _ => None,
            });
            Ok(shown.collect())
        })
        .await
    }
}
