//! Topics: create, count, measure, compare with what they should be.

mod topic;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use millrace_events::{Offset, TopicPartition};

use crate::error::needs_an_operator;
use crate::logging::Talk;
use crate::{BusError, KafkaSettings};

pub use topic::{TopicSettings, TopicState};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Complaints looked at after a failed call.
const MAX_COMPLAINTS: usize = 64;
/// A topic just created shows up in the metadata after a moment.
const SHOWS_UP: Duration = Duration::from_millis(50);

/// Manages topics.
#[derive(Clone)]
pub struct Admin {
    admin: Arc<AdminClient<Talk>>,
    /// Asks for metadata: only a consumer can do so without creating the topic on clusters that
    /// allow it.
    reader: Arc<BaseConsumer<Talk>>,
}

impl Admin {
    /// Connects lazily: succeeds without a broker.
    pub fn new(settings: &KafkaSettings) -> Result<Self, BusError> {
        let refused = |e| BusError::refused(format!("the Kafka settings are not accepted: {e}"));
        let config = settings.client()?;
        let admin = config.create_with_context(Talk).map_err(refused)?;
        let mut config = config.clone();
        // Without a group id the library would not let us poll, and its complaints stay unheard.
        config.set("allow.auto.create.topics", "false").set("group.id", "millrace-admin");
        let reader = config.create_with_context(Talk).map_err(refused)?;
        Ok(Self { admin: Arc::new(admin), reader: Arc::new(reader) })
    }

    /// Whether it was missing.
    async fn create(&self, name: &str, settings: &TopicSettings) -> Result<bool, BusError> {
        let partitions = settings.partitions;
        let configs = settings.configs();
        // -1 is the broker's default replication; the embedded broker has no use for another.
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        let topic = configs.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let what = || format!("create topic {name} with {partitions} partitions");
        let results = self.admin.create_topics(&[topic], &options).await;
        let mut created = false;
        for result in results.map_err(|e| BusError::of(what(), e))? {
            match result {
                Ok(_) => created = true,
                Err((_, Code::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(BusError::of_code(what(), code)),
            }
        }
        Ok(created)
    }

    /// Creates the topic unless it is there; returns how many partitions it has, which for a topic
    /// that was there need not be `partitions`.
    pub async fn ensure_topic(&self, name: &str, partitions: i32) -> Result<i32, BusError> {
        let (_, count) = self.ensure(name, &TopicSettings::plain(partitions)).await?;
        Ok(count)
    }

    /// Creates the topic as `settings` say unless it is there, and reads back what it is: a topic
    /// that was there is left as it was, see [`TopicState::differences`].
    pub async fn ensure_topic_with(
        &self,
        name: &str,
        settings: &TopicSettings,
    ) -> Result<TopicState, BusError> {
        let (created, partitions) = self.ensure(name, settings).await?;
        let config = self.config(name).await?;
        Ok(TopicState::of(created, partitions, &config))
    }

    /// Whether the topic had to be created, and how many partitions it has.
    async fn ensure(&self, name: &str, settings: &TopicSettings) -> Result<(bool, i32), BusError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut created = false;
        loop {
            // Trying again is safe, and needed: a broker may refuse one of several topics created
            // at once, and a new topic shows up after a moment.
            let failed = match self.create_if_missing(name, settings, &mut created).await {
                Ok(Some(count)) => return Ok((created, count)),
                Ok(None) => {
                    let what =
                        format!("create topic {name} with {} partitions", settings.partitions);
                    BusError::retry(what, "it was created but does not show up")
                }
                Err(error @ BusError::Retry { .. }) => error,
                Err(error) => return Err(error),
            };
            if tokio::time::Instant::now() > deadline {
                return Err(failed);
            }
            tracing::debug!(target: "kafka", error = %failed, "trying again");
            tokio::time::sleep(SHOWS_UP).await;
        }
    }

    async fn create_if_missing(
        &self,
        name: &str,
        settings: &TopicSettings,
        created: &mut bool,
    ) -> Result<Option<i32>, BusError> {
        if let Some(count) = self.partitions(name).await? {
            return Ok(Some(count));
        }
        *created |= self.create(name, settings).await?;
        self.partitions(name).await
    }

    /// The topic's configuration.
    async fn config(&self, name: &str) -> Result<ConfigResource, BusError> {
        let what = || format!("ask for the configuration of topic {name}");
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let answer = self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options).await;
        let answer = answer.map_err(|e| BusError::of(what(), e))?.into_iter().next();
        match answer {
            Some(Ok(config)) => Ok(config),
            Some(Err(code)) => Err(BusError::of_code(what(), code)),
            None => Err(BusError::retry(what(), "the answer is empty")),
        }
    }

    /// How many partitions the topic has; `None` when there is no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<Option<i32>, BusError> {
        let (reader, name) = (Arc::clone(&self.reader), topic.to_owned());
        let what = format!("ask for the partitions of {topic}");
        blocking(what, move |what| {
            let metadata = reader.fetch_metadata(Some(&name), PATIENCE);
            let metadata =
                metadata.map_err(|e| BusError::of(what, complaint(&reader).unwrap_or(e)))?;
            let Some(found) = metadata.topics().iter().find(|t| t.name() == name) else {
                return Ok(None);
            };
            match found.error().map(Code::from) {
                None => {
                    let count = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
                    Ok((count > 0).then_some(count))
                }
                Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
                Some(code) => Err(BusError::of_code(what, code)),
            }
        })
        .await
    }

    /// The first offset held and the offset the next record will get.
    pub async fn watermarks(&self, tp: &TopicPartition) -> Result<(Offset, Offset), BusError> {
        let (reader, tp) = (Arc::clone(&self.reader), tp.clone());
        blocking(format!("ask where {tp} begins and ends"), move |what| {
            let answer = reader.fetch_watermarks(&tp.topic, tp.partition.0, PATIENCE);
            let (low, high) = answer.map_err(|e| BusError::of(what, e))?;
            Ok((Offset(low), Offset(high)))
        })
        .await
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    what: String,
    work: impl FnOnce(&str) -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    match tokio::task::spawn_blocking(move || (work(&what), what)).await {
        Ok((result, _)) => result,
        Err(error) => Err(BusError::fatal("ask Kafka", error)),
    }
}

/// What the library complained about beside the call that failed: a wrong password shows up as a
/// connection that is not there, and only here as what it is.
fn complaint(reader: &BaseConsumer<Talk>) -> Option<KafkaError> {
    (0..MAX_COMPLAINTS)
        // A line of log in between polls as nothing.
        .filter_map(|_| reader.poll(Duration::ZERO)?.err())
        .find(|e| e.rdkafka_error_code().is_some_and(needs_an_operator))
}
