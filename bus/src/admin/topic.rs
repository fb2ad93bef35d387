//! What a topic should be, what it is, and the difference in words.

use std::time::Duration;

use rdkafka::admin::ConfigResource;

const CLEANUP: &str = "cleanup.policy";
const RETENTION: &str = "retention.ms";

/// What a topic should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// How many partitions, at least 1.
    pub partitions: i32,
    /// How long records are kept, to the millisecond: [`Duration::MAX`] for ever, `None` as long as
    /// the broker does by default.
    pub retention: Option<Duration>,
    /// Whether the latest record of each key is kept; with a `retention` until that has passed.
    pub compacted: bool,
}

impl TopicSettings {
    /// Plain: records are kept as long as the broker does by default.
    pub fn plain(partitions: i32) -> Self {
        Self { partitions, retention: None, compacted: false }
    }

    /// The latest record of each key is kept for ever.
    pub fn compacted(partitions: i32) -> Self {
        Self { partitions, retention: None, compacted: true }
    }

    /// The topic's configuration in Kafka's names.
    pub(super) fn configs(&self) -> Vec<(&'static str, String)> {
        // Said even where it is the default: that is the cluster's to choose.
        let cleanup = match (self.compacted, self.retention) {
            (true, Some(_)) => "compact,delete",
            (true, None) => "compact",
            (false, _) => "delete",
        };
        let retention = self.retention.map(|time| {
            let ms = i64::try_from(time.as_millis()).unwrap_or(-1);
            (RETENTION, ms.to_string())
        });
        [(CLEANUP, cleanup.to_owned())].into_iter().chain(retention).collect()
    }
}

/// What a topic is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Whether it was missing and has just been created.
    pub created: bool,
    /// How many partitions it has.
    pub partitions: i32,
    /// How long records are kept: [`Duration::MAX`] for ever, `None` if the broker does not say.
    pub retention: Option<Duration>,
    /// Whether the latest record of each key is kept.
    pub compacted: bool,
}

impl TopicState {
    /// From the topic's configuration.
    pub(super) fn of(created: bool, partitions: i32, config: &ConfigResource) -> Self {
        let value = |name| config.get(name).and_then(|entry| entry.value.as_deref());
        let retention = value(RETENTION).and_then(|ms| ms.parse::<i64>().ok()).map(|ms| {
            // Negative is for ever.
            u64::try_from(ms).map_or(Duration::MAX, Duration::from_millis)
        });
        let compacted = value(CLEANUP).is_some_and(|p| p.split(',').any(|p| p.trim() == "compact"));
        Self { created, partitions, retention, compacted }
    }

    /// Where the topic is not as `wanted`, in words; `whose` says who wants it so (`the stream`).
    /// A retention that is left to the broker is met by any.
    pub fn differences(&self, wanted: &TopicSettings, whose: &str) -> Vec<String> {
        let mut differences = Vec::new();
        if self.partitions != wanted.partitions {
            let (has, says) = (self.partitions, wanted.partitions);
            let noun = if has == 1 { "partition" } else { "partitions" };
            differences.push(format!("has {has} {noun}, {whose} says {says}"));
        }
        if let Some(says) = wanted.retention
            && self.retention.map(millis) != Some(millis(says))
        {
            let has = self.retention.map_or("as long as the broker likes".to_owned(), kept);
            differences.push(format!("keeps records {has}, {whose} says {}", kept(says)));
        }
        if self.compacted != wanted.compacted {
            let of = |compacted| if compacted { "compacted" } else { "not compacted" };
            let (has, says) = (of(self.compacted), of(wanted.compacted));
            differences.push(format!("is {has}, {whose} says {says}"));
        }
        differences
    }
}

/// What Kafka can tell apart.
fn millis(time: Duration) -> Option<i64> {
    i64::try_from(time.as_millis()).ok()
}

/// A retention in words.
fn kept(time: Duration) -> String {
    if millis(time).is_none() {
        return "for ever".to_owned();
    }
    let ms = time.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let whole = units.into_iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "ms"));
    format!("for {} {name}", ms / unit)
}
