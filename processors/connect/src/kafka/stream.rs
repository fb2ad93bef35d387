//! The source before it is read: settings, splits, and where reading starts.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use millrace_bus::{Admin, Consumer, FetchLimits, GroupProgress, KafkaSettings};
use millrace_events::{Clock, Decoder, Offset, StreamSchema, TopicPartition};
use millrace_processors::connector::{
    ConnectorError, Position, SourceFactory, SourceReader, SplitId,
};

use super::dead::DeadLetterHook;
use super::place::{self, Place};
use super::polling::{Partition, Polling};
use super::reader::Reader;
use crate::error::of_bus;

/// Where reading starts without a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartAt {
    /// At the first event the topic holds.
    #[default]
    Earliest,
    /// After the last.
    Latest,
}

/// How a stream is read.
#[derive(Debug, Clone)]
pub struct KafkaStreamSettings {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// The stream; its `event_time.idle` says when a partition without events is left out of the
    /// watermark.
    pub schema: StreamSchema,
    /// How much each reader fetches ahead, and how large a batch may be.
    pub limits: FetchLimits,
    /// Where to start without a checkpoint.
    pub start: StartAt,
    /// End each partition where its log ends when it is first opened.
    pub bounded: bool,
}

/// Reads a stream from its topic, decoding every event once.
///
/// All columns of the schema are decoded, whichever the job asks for: whether an event is a dead
/// letter must not depend on the query.
pub struct KafkaStream {
    settings: KafkaStreamSettings,
    admin: Admin,
    dead: Arc<dyn DeadLetterHook>,
    clock: Arc<dyn Clock>,
    progress: Option<GroupProgress>,
}

impl fmt::Debug for KafkaStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaStream").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl KafkaStream {
    /// Checks `settings`; needs no broker yet.
    pub fn new(
        settings: KafkaStreamSettings,
        dead: Arc<dyn DeadLetterHook>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectorError> {
        let admin = Admin::new(&settings.kafka).map_err(of_bus)?;
        Ok(Self { settings, admin, dead, clock, progress: None })
    }

    /// Shows what complete checkpoints of `job` cover as offsets of the group `millrace-job-NAME`,
    /// where tools that display consumer lag find it. Reading never resumes from there.
    pub fn showing_progress_of(self, job: &str) -> Result<Self, ConnectorError> {
        let progress = GroupProgress::new(&self.settings.kafka, &format!("millrace-job-{job}"));
        Ok(Self { progress: Some(progress.map_err(of_bus)?), ..self })
    }

    /// The partition a split names.
    fn partition(&self, split: &SplitId) -> Result<TopicPartition, ConnectorError> {
        let topic = self.settings.schema.topic.as_str();
        let number = split.0.strip_prefix(topic).and_then(|rest| rest.strip_prefix('/'));
        let number = number.and_then(|number| number.parse().ok()).ok_or_else(|| {
            ConnectorError::Rejected(format!("`{split}` is no partition of topic `{topic}`"))
        })?;
        Ok(TopicPartition::new(topic, number))
    }

    /// Where reading of `tp` starts; asks the broker only if it must.
    async fn place(
        &self,
        tp: &TopicPartition,
        position: Option<Position>,
    ) -> Result<Place, ConnectorError> {
        let kept: Option<Place> = match position {
            Some(Position(kept)) => Some(kept.parse().map_err(|e| {
                ConnectorError::Rejected(format!("`{kept}` is no position in {tp}: {e}"))
            })?),
            None => None,
        };
        let bounded = self.settings.bounded;
        match kept {
            Some(place) if place.end.is_some() == bounded => return Ok(place),
            Some(place) if !bounded => return Ok(Place { end: None, ..place }),
            _ => {}
        }
        let (low, high) = self.admin.watermarks(tp).await.map_err(of_bus)?;
        let fresh = match self.settings.start {
            StartAt::Earliest => low,
            StartAt::Latest => high,
        };
        let next = kept.map_or(fresh, |place| place.next);
        Ok(Place { next, end: bounded.then_some(high) })
    }
}

#[async_trait]
impl SourceFactory for KafkaStream {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        let topic = &self.settings.schema.topic;
        let count = self.admin.partitions(topic).await.map_err(of_bus)?.ok_or_else(|| {
            let stream = &self.settings.schema.name;
            ConnectorError::Rejected(format!("there is no topic `{topic}` for stream `{stream}`"))
        })?;
        Ok((0..count).map(|number| SplitId(format!("{topic}/{number}"))).collect())
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let mut partitions = Vec::with_capacity(splits.len());
        for (split, position) in splits {
            let tp = self.partition(&split)?;
            let place = self.place(&tp, position).await?;
            partitions.push(Partition::new(tp, place));
        }
        let KafkaStreamSettings { kafka, schema, limits, .. } = &self.settings;
        let polling = Polling {
            consumer: Consumer::manual(kafka, *limits).map_err(of_bus)?,
            decoder: Decoder::new(schema),
            columns: columns.to_vec(),
            schema: schema.arrow(),
            idle: schema.event_time.as_ref().map(|time| time.idle),
            clock: self.clock.clone(),
            partitions,
        };
        let stream = self.settings.schema.name.clone();
        Ok(Box::new(Reader::start(polling, stream, self.dead.clone())))
    }

    async fn completed(&self, positions: &[(SplitId, Position)]) {
        if let Some(progress) = &self.progress {
            let offsets: Vec<_> = positions.iter().filter_map(place::offset).collect();
            progress.show(&offsets);
        }
    }
}

/// The offset up to which a batch counts when the partition is read up to `place.end`.
pub(super) fn cut(place: &Place, next: Offset) -> Offset {
    place.end.map_or(next, |end| next.min(end))
}
