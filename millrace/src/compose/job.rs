//! A job with its connectors: streams from Kafka, tables and feeds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use millrace_bus::{Admin, FetchLimits};
use millrace_connect::{
    DeadLettersKept, DeltaTable, Feed, FeedSettings, KafkaStream, KafkaStreamSettings, StartAt,
};
use millrace_events::RouteName;
use millrace_plan::{JobPlan, Node, SinkNode};
use millrace_processors::{Job, JobProbe, JobSettings};
use millrace_sinks::TableSettings;
use millrace_spec::{JobSpec, Manifests, SinkSpec};

use super::declared::{Destinations, appends};
use super::places::{checkpoints, kafka_of};
use super::{OPEN_FILES, Parts, producer_limits};

/// Bytes of events decoded at once.
const BATCH_BYTES: usize = 1 << 20;
/// Of the memory, what state may hold before it goes to disk.
const STATE_SHARE: usize = 2;
/// Of the memory, what all tables and feeds may hold.
const SINK_SHARE: usize = 4;
/// Of the memory, what each reader of a stream fetches ahead.
const FETCH_SHARE: usize = 16;

/// A job, and where it reads and writes.
pub(crate) struct StreamingJob<'a> {
    pub(crate) name: RouteName,
    pub(crate) plan: JobPlan,
    pub(crate) manifests: &'a Manifests,
    /// Tables of sinks, where they are not called as the sink is.
    pub(crate) tables: BTreeMap<String, String>,
    /// Topics of sinks.
    pub(crate) feeds: BTreeMap<String, String>,
    /// Partitions of topics of sinks, where they are not as many as the streams have.
    pub(crate) feed_partitions: BTreeMap<String, i32>,
    pub(crate) parallelism: usize,
    pub(crate) checkpoint_interval: Duration,
    /// Whether it ends where the streams end.
    pub(crate) until_end: bool,
}

impl<'a> StreamingJob<'a> {
    /// The job that `spec` declares, with its plan.
    pub(crate) fn declared(
        spec: &JobSpec,
        (plan, destinations): (JobPlan, Destinations),
        manifests: &'a Manifests,
        parallelism: usize,
    ) -> Self {
        let (mut tables, mut feeds) = (BTreeMap::new(), BTreeMap::new());
        let mut feed_partitions = BTreeMap::new();
        for (sink, destination) in destinations {
            match destination {
                SinkSpec::Table { table } => {
                    tables.insert(sink, table.to_string());
                }
                SinkSpec::Feed { topic, partitions } => {
                    feed_partitions.extend(partitions.map(|count| (sink.clone(), count)));
                    feeds.insert(sink, topic);
                }
            }
        }
        Self {
            name: spec.name.clone(),
            plan,
            manifests,
            tables,
            feeds,
            feed_partitions,
            parallelism,
            checkpoint_interval: spec.checkpoint_interval,
            until_end: spec.until_end,
        }
    }

    /// Creates the topics that are missing, and puts the job together.
    pub(crate) async fn assemble(
        &self,
        parts: &Parts,
        probe: Arc<dyn JobProbe>,
    ) -> anyhow::Result<Job> {
        let admin = Admin::new(&parts.kafka)?;
        let mut job = Job::new(self.name.as_str(), self.plan.clone())
            .settings(JobSettings {
                parallelism: self.parallelism,
                checkpoint_interval: Some(self.checkpoint_interval),
                state_memory: parts.budget.limit() / STATE_SHARE,
                ..JobSettings::default()
            })
            .checkpoints(checkpoints(&parts.warehouse, self.name.as_str()))
            .clock(Arc::clone(&parts.clock))
            .probe(probe);
        let mut partitions = 1;
        for (_, source) in self.plan.sources() {
            let (count, stream) = self.stream(parts, &source.name).await?;
            partitions = partitions.max(count);
            job = job.with_source(&source.name, stream);
        }
        for (node, sink) in self.plan.sinks() {
            let topic = self.feeds.get(&sink.name);
            if topic.is_none() && appends(&self.plan, node, sink) {
                job = job.with_sink(&sink.name, self.table(parts, node, sink)?);
            } else {
                let feed = self.feed(parts, node, sink)?;
                let partitions = self.feed_partitions.get(&sink.name).unwrap_or(&partitions);
                feed.create_topic(&admin, *partitions).await?;
                job = job.with_sink(&sink.name, feed);
            }
        }
        Ok(job)
    }

    /// A stream, and how many partitions it has.
    async fn stream(&self, parts: &Parts, name: &str) -> anyhow::Result<(i32, KafkaStream)> {
        let mut streams = self.manifests.streams.values();
        let stream = streams.find(|stream| stream.name.as_str() == name);
        let stream = stream.with_context(|| format!("no manifest declares stream `{name}`"))?;
        let kafka = kafka_of(self.manifests, stream, &parts.kafka, &parts.secrets)?;
        let count = Admin::new(&kafka)?.ensure_topic(&stream.topic, stream.partitions).await?;
        // Dead letters are told apart by who read the event.
        let reader: RouteName = format!("{}-{name}", self.name).parse()?;
        if self.manifests.routes.iter().any(|route| route.name == reader) {
            bail!("there is a route `{reader}`: give the job another --name");
        }
        let dead = DeadLettersKept::new(parts.warehouse.dead_letter_book(), reader);
        let settings = KafkaStreamSettings {
            kafka,
            schema: stream.as_ref().clone(),
            limits: FetchLimits {
                queue_bytes: parts.budget.limit() / FETCH_SHARE,
                batch_bytes: BATCH_BYTES,
            },
            start: StartAt::Earliest,
            bounded: self.until_end,
        };
        let stream = KafkaStream::new(settings, Arc::new(dead), Arc::clone(&parts.clock))?;
        Ok((count, stream.showing_progress_of(self.name.as_str())?))
    }

    fn table(&self, parts: &Parts, node: &Node, sink: &SinkNode) -> anyhow::Result<DeltaTable> {
        let name = self.tables.get(&sink.name).unwrap_or(&sink.name);
        let table = name.parse().with_context(|| {
            format!("sink `{}`: name its table with --table {}=TABLE", sink.name, sink.name)
        })?;
        let share = self.sink_share(parts);
        let settings = TableSettings {
            table,
            columns: Arc::clone(&node.schema),
            partition_by: Vec::new(),
            budget: parts.budget.child(format!("sink {}", sink.name), share),
            max_open_files: OPEN_FILES,
        };
        let table =
            DeltaTable::new(parts.warehouse.clone(), self.name.as_str(), &sink.name, settings)?;
        Ok(table)
    }

    fn feed(&self, parts: &Parts, node: &Node, sink: &SinkNode) -> anyhow::Result<Feed> {
        let name = &sink.name;
        ensure!(
            !self.tables.contains_key(name),
            "--table {name}=…: rows of `{name}` change, and tables take only new rows: write them \
             to a feed, or aggregate in windows, whose rows are final"
        );
        let key = sink.key.as_ref().with_context(|| {
            format!("--feed {name}=…: rows of `{name}` have no key that a feed could keep them by")
        })?;
        Ok(Feed::new(FeedSettings {
            kafka: parts.kafka.clone(),
            limits: producer_limits(self.sink_share(parts)),
            topic: self.feeds.get(name).unwrap_or(name).clone(),
            key: key.iter().map(|column| node.schema.field(*column).name().clone()).collect(),
        })?)
    }

    fn sink_share(&self, parts: &Parts) -> usize {
        parts.budget.limit() / SINK_SHARE / self.plan.sinks().count().max(1)
    }
}
