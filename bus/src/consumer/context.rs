//! What happens when the group moves partitions: tell the listener, then let go.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr as Resp;

use millrace_events::TopicPartition;

use super::Rebalance;
use crate::logging;

/// Which way partitions move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// To us.
    Assigned,
    /// Away from us.
    Revoked,
}

impl Change {
    pub(super) fn of(event: Resp) -> Option<Self> {
        match event {
            Resp::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Some(Self::Assigned),
            Resp::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// Client callbacks of a consumer.
pub(super) struct Context {
    pub(super) listener: Option<Arc<dyn Rebalance>>,
}

impl Context {
    /// Carries out a move. Partitions that come are acknowledged but not fetched: `start_at` adds
    /// them one by one with their offset, which is why a group consumer never has to seek right
    /// after an assignment (that fails with "erroneous state" while the assignment is still being
    /// made).
    pub(super) fn moved(
        &self,
        client: &BaseConsumer<Self>,
        change: Change,
        partitions: &[TopicPartition],
    ) {
        let told = self.listener.as_deref().filter(|_| !partitions.is_empty());
        let answer = match change {
            Change::Assigned => {
                let answer = client.incremental_assign(&TopicPartitionList::new());
                if let Some(listener) = told {
                    listener.assigned(partitions);
                }
                answer
            }
            Change::Revoked => {
                let lost = client.assignment_lost();
                if let Some(listener) = told {
                    if lost { listener.lost(partitions) } else { listener.revoked(partitions) }
                }
                client.incremental_unassign(&fetched(client, partitions))
            }
        };
        if let Err(error) = answer {
            tracing::warn!(target: "kafka", %error, ?change, "the group's move was not acknowledged");
        }
    }
}

/// Those of `partitions` that are being fetched; the library refuses to unassign others.
fn fetched(client: &BaseConsumer<Context>, partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    let assigned = client.assignment().unwrap_or_default();
    for tp in partitions {
        if assigned.find_partition(&tp.topic, tp.partition.0).is_some() {
            list.add_partition(&tp.topic, tp.partition.0);
        }
    }
    list
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::talk(level as i32, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "kafka", %error, "{reason}");
    }
}

impl ConsumerContext for Context {
    /// Runs while the client is being closed; before that the events come through `Native::poll`.
    fn rebalance(&self, client: &BaseConsumer<Self>, event: Resp, list: &mut TopicPartitionList) {
        let partitions: Vec<_> =
            list.elements().iter().map(|p| TopicPartition::new(p.topic(), p.partition())).collect();
        if let Some(change) = Change::of(event) {
            self.moved(client, change, &partitions);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(target: "kafka", %error, "the lag display was not updated");
        }
    }
}
