//! Finds the partitions of topics without a group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use millrace_events::TopicPartition;

use super::context::Context;

/// How often to look for partitions that were added.
const EVERY: Duration = Duration::from_secs(10);
/// How soon to look again for a topic that is not there.
const AGAIN: Duration = Duration::from_millis(500);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Topics and how many of their partitions were announced.
pub(super) struct Lookout {
    topics: BTreeMap<String, i32>,
    next: Option<Instant>,
}

impl Lookout {
    pub(super) fn new(topics: &[String]) -> Self {
        Self { topics: topics.iter().map(|t| (t.clone(), 0)).collect(), next: None }
    }

    /// Partitions that were not there last time; none when it is not yet time to look.
    pub(super) fn look(&mut self, client: &BaseConsumer<Context>) -> Vec<TopicPartition> {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut complete = true;
        for (topic, known) in &mut self.topics {
            let count = partitions(client, topic);
            complete &= count > 0;
            found.extend((*known..count).map(|p| TopicPartition::new(topic.as_str(), p)));
            *known = count.max(*known);
        }
        self.next = Some(Instant::now() + if complete { EVERY } else { AGAIN });
        found
    }
}

/// Number of partitions; 0 when the topic or the broker is not there.
fn partitions(client: &BaseConsumer<Context>, topic: &str) -> i32 {
    let metadata = match client.fetch_metadata(Some(topic), PATIENCE) {
        Ok(metadata) => metadata,
        Err(error) => {
            tracing::warn!(target: "kafka", topic, %error, "cannot ask for partitions");
            return 0;
        }
    };
    let of = |t: &&rdkafka::metadata::MetadataTopic| t.name() == topic && t.error().is_none();
    let count = metadata.topics().iter().find(of).map_or(0, |t| t.partitions().len());
    i32::try_from(count).unwrap_or(i32::MAX)
}
