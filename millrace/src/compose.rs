//! The one place that names concrete parts: manifests in, routes with their sinks out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use millrace_bus::{KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Budget, Clock, Probe, RouteName, StreamSchema, SystemClock};
use millrace_plan::JobPlan;
use millrace_processors::connector::{FileSink, FileSource, MemorySink};
use millrace_processors::{Job, JobSettings};
use millrace_router::{
    Handling, HeaderFilter, Membership, RollPolicy, Route, RoutePlan, Router, RouterSettings,
};
use millrace_sinks::{
    AtLeastOnce, HttpDelivery, HttpSettings, KafkaDelivery, KafkaDeliverySettings, PartitionColumn,
    Sink, TableSinkSettings, Warehouse,
};
use millrace_spec::{Manifests, RouteSpec, Target};

use self::late::LateSink;
use crate::cli::{KafkaArgs, WorkArgs};

mod declared;
mod job;
mod late;
mod places;
mod secrets;

pub(crate) use declared::{Destinations, Unfit, plan_declared};
pub(crate) use job::StreamingJob;
pub(crate) use places::{
    checkpoints, kafka_of, savepoint, savepoint_folder, savepoint_path, savepoints_folder,
    state_folder,
};
pub(crate) use secrets::Secrets;

/// Part of the memory that sinks hold (¾); the router's reading takes the rest.
const SINK_SHARE: (usize, usize) = (3, 4);
/// Files a route keeps open at once, at most.
const OPEN_FILES: usize = 1024;
/// Linger of producers: long enough for a batch, short enough for a person.
const LINGER: Duration = Duration::from_millis(5);
/// How long a hand-over waits for routes to commit.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);
/// A route that blocks others for this long gets its own reader.
const STALL_AFTER: Duration = Duration::from_secs(2);

/// What every running command shares.
pub(crate) struct Parts {
    pub(crate) kafka: KafkaSettings,
    pub(crate) warehouse: Warehouse,
    pub(crate) secrets: Secrets,
    pub(crate) budget: Budget,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Arc<dyn Probe>,
}

impl Parts {
    pub(crate) fn new(
        kafka: KafkaSettings,
        warehouse: Warehouse,
        secrets: Secrets,
        memory: u64,
        probe: Arc<dyn Probe>,
    ) -> Self {
        let memory = usize::try_from(memory).unwrap_or(usize::MAX);
        let budget = Budget::new("all", memory);
        let clock = Arc::new(SystemClock::default());
        Self { kafka, warehouse, secrets, budget, clock, probe }
    }

    /// A producer for events on their way in.
    pub(crate) fn producer(&self) -> anyhow::Result<Producer> {
        let limits = producer_limits(self.budget.limit() / 8);
        Producer::new(&self.kafka, limits).context("the Kafka producer")
    }

    /// Starts a router over the routes of `manifests`.
    pub(crate) fn router(
        &self,
        manifests: &Manifests,
        work: &WorkArgs,
        membership: Membership,
    ) -> anyhow::Result<Router> {
        let mut routes = Vec::new();
        for spec in &manifests.routes {
            let stream = Arc::clone(&manifests.streams[&spec.from]);
            let share = self.budget.limit() / SINK_SHARE.1 * SINK_SHARE.0 / manifests.routes.len();
            let budget = self.budget.child(format!("sink of {}", spec.name), share);
            let route = self.route(spec, manifests, stream, budget);
            routes.push(route.with_context(|| format!("route `{}`", spec.name))?);
        }
        let settings = RouterSettings {
            kafka: self.kafka.clone(),
            membership,
            budget: self.budget.clone(),
            stall_after: STALL_AFTER,
            release_patience: RELEASE_PATIENCE,
            // A zombie learns within a session that its partitions are gone, and must not win them
            // back.
            fenced_wait: work.session_timeout,
            clock: Arc::clone(&self.clock),
            probe: Arc::clone(&self.probe),
        };
        Ok(Router::start(settings, routes)?)
    }

    fn route(
        &self,
        spec: &RouteSpec,
        manifests: &Manifests,
        stream: Arc<StreamSchema>,
        budget: Budget,
    ) -> anyhow::Result<Route> {
        let plan = RoutePlan::compile(&stream, spec.filter.as_deref(), spec.select.as_deref())?;
        let passes_bytes = spec.filter.is_none() && spec.select.is_none();
        let raw = passes_bytes && matches!(&spec.to, Target::Kafka { key: None, .. });
        let sink = self.sink(spec, manifests, &stream, &plan, budget)?;
        Ok(Route {
            name: spec.name.clone(),
            stream,
            headers: HeaderFilter::new(spec.headers.clone()),
            handling: if raw { Handling::Raw } else { Handling::Columns(plan) },
            roll: RollPolicy {
                bytes: usize::try_from(spec.roll.bytes).unwrap_or(usize::MAX),
                every: spec.roll.every,
                idle: spec.roll.idle,
            },
            sink,
        })
    }

    fn sink(
        &self,
        spec: &RouteSpec,
        manifests: &Manifests,
        stream: &StreamSchema,
        plan: &RoutePlan,
        budget: Budget,
    ) -> anyhow::Result<Box<dyn Sink>> {
        let route = spec.name.clone();
        let (ledgers, letters) = (self.warehouse.ledger_book(), self.warehouse.dead_letter_book());
        Ok(match &spec.to {
            Target::Table { table, partition_by } => self.warehouse.table_sink(TableSinkSettings {
                route,
                table: table.clone(),
                columns: plan.output(),
                partition_by: partition_columns(partition_by, stream),
                budget,
                max_open_files: OPEN_FILES,
            }),
            Target::Kafka { topic, key } => {
                let delivery = KafkaDelivery::new(KafkaDeliverySettings {
                    route: route.clone(),
                    kafka: self.kafka.clone(),
                    limits: producer_limits(budget.limit() / 2),
                    topic: topic.clone(),
                    key: key.clone(),
                    id: stream.id.clone(),
                })?;
                Box::new(AtLeastOnce::new(route, delivery, ledgers, letters))
            }
            Target::Http { url, allow_private, connection } => {
                let (secrets, connection) = (self.secrets.clone(), connection.clone());
                let (manifests, url) = (manifests.clone(), url.clone());
                let (allow_private, buffer_bytes) = (*allow_private, budget.limit() / 2);
                // A secret that is missing is missed by this route alone, and looked for again.
                Box::new(LateSink::new(move || {
                    let name = connection.as_ref().map(RouteName::as_str);
                    let headers = name.map(|name| secrets.headers(&manifests, name)).transpose()?;
                    let settings = HttpSettings {
                        allow_private,
                        headers: headers.unwrap_or_default(),
                        buffer_bytes,
                        ..HttpSettings::new(route.clone(), url.clone())
                    };
                    let delivery = HttpDelivery::new(settings)?;
                    let (ledgers, letters) = (Arc::clone(&ledgers), Arc::clone(&letters));
                    Ok(Box::new(AtLeastOnce::new(route.clone(), delivery, ledgers, letters)) as _)
                }))
            }
        })
    }
}

fn producer_limits(queue_bytes: usize) -> ProducerLimits {
    ProducerLimits { queue_bytes, linger: LINGER }
}

fn partition_columns(names: &[String], stream: &StreamSchema) -> Vec<PartitionColumn> {
    let time = || stream.event_time.as_ref().map_or_else(String::new, |t| t.column.clone());
    let known = |name: &String| stream.columns.iter().any(|c| c.name == *name);
    names
        .iter()
        .map(|name| match name.as_str() {
            "event_date" if !known(name) => PartitionColumn::EventDate(time()),
            "event_hour" if !known(name) => PartitionColumn::EventHour(time()),
            _ => PartitionColumn::Column(name.clone()),
        })
        .collect()
}

/// A job that runs in this process alone.
pub(crate) struct LocalJob {
    pub(crate) job: Job,
    /// What its sinks collect, by name.
    pub(crate) collected: BTreeMap<String, MemorySink>,
}

/// A job over files. Sinks without a folder collect their rows in memory.
pub(crate) fn local_job(
    plan: &JobPlan,
    sources: &BTreeMap<String, FileSource>,
    folders: &BTreeMap<String, FileSink>,
    parallelism: usize,
) -> LocalJob {
    // The run is short and starts anew each time: only the last checkpoint, which commits.
    let settings = JobSettings { parallelism, checkpoint_interval: None, ..JobSettings::default() };
    let mut job = Job::new("local", plan.clone()).settings(settings);
    for (name, source) in sources {
        job = job.with_source(name, source.clone());
    }
    let mut collected = BTreeMap::new();
    for (_, sink) in plan.sinks() {
        job = if let Some(folder) = folders.get(&sink.name) {
            job.with_sink(&sink.name, folder.clone())
        } else {
            let rows: &mut MemorySink = collected.entry(sink.name.clone()).or_default();
            job.with_sink(&sink.name, rows.clone())
        };
    }
    LocalJob { job, collected }
}

/// The cluster `args` name, if they name one.
pub(crate) fn cluster(args: &KafkaArgs) -> anyhow::Result<Option<KafkaSettings>> {
    let Some(bootstrap) = &args.kafka else {
        anyhow::ensure!(args.properties.is_empty(), "--kafka-property needs --kafka HOST:PORT");
        return Ok(None);
    };
    let mut settings = KafkaSettings::plain(bootstrap);
    for property in &args.properties {
        let (name, value) = property
            .split_once('=')
            .with_context(|| format!("--kafka-property {property}: write NAME=VALUE"))?;
        settings.properties.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(Some(settings))
}
