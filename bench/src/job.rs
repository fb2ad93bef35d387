//! q0 of Nexmark from a topic of JSON: the streaming SQL engine behind a broker, exactly once.
//!
//! The job runs in a process of its own, so that CPU time and memory are the job's alone.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use millrace_bus::{Consumer, FetchLimits, KafkaSettings};
use millrace_connect::{DeadLettersCounted, DeltaTable, KafkaStream, KafkaStreamSettings, StartAt};
use millrace_events::{
    Budget, Decoder, Offset, RawBatch, StreamSchema, SystemClock, TopicPartition,
};
use millrace_nexmark::{bid_schema, sink, sql};
use millrace_plan::{Catalog, EventTimeDef, JobPlan, NodeKind, SinkDef, SourceDef, plan};
use millrace_processors::{CheckpointStatus, CheckpointStore, Job, JobSettings, RunningJob};
use millrace_sinks::{TableSettings, Warehouse, WarehouseSettings};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::bids;
use crate::counting::CountingSink;
use crate::process::usage;
use crate::site::{Filled, Site};
use crate::table::Row;

const QUERY: &str = "q0";
const FETCH: FetchLimits = FetchLimits { queue_bytes: 64 << 20, batch_bytes: 1 << 20 };
const CHECKPOINTS: Duration = Duration::from_secs(10);
/// Events whose decoding is measured alone.
const DECODED_ALONE: usize = 400_000;

/// Where the rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// They are counted.
    Count,
    /// Into a table on the local disk.
    Delta,
}

/// The process under test.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    to: To,
    #[arg(long)]
    folder: PathBuf,
}

/// What the process says at its end.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Report {
    rows: Option<u64>,
    wall_us: u64,
    cpu_us: u64,
    rss_bytes: u64,
    checkpoints: usize,
    pause_us: u64,
    duration_us: u64,
    /// CPU time of decoding one event, with nothing around it.
    decode_ns: f64,
}

/// Runs the process over a filled topic.
pub(crate) fn measure(site: &Site, filled: &Filled, to: To) -> anyhow::Result<Row> {
    let name = if to == To::Count { "count" } else { "delta" };
    let folder = site.folder(&format!("job-{name}"))?;
    let output = Command::new(std::env::current_exe()?)
        .args(["job", "--bootstrap", &site.kafka.bootstrap, "--topic", &filled.topic])
        .args(["--to", name, "--folder"])
        .arg(&folder)
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "the job ended with {}", output.status);
    let report: Report = serde_json::from_slice(&output.stdout)?;
    let events = filled.events;
    anyhow::ensure!(report.rows.is_none_or(|rows| rows == events), "{report:?} of {events} events");
    Ok(row(name, filled, &report))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn row(name: &str, filled: &Filled, report: &Report) -> Row {
    let (wall, cpu) = (Duration::from_micros(report.wall_us), Duration::from_micros(report.cpu_us));
    let decoding = report.decode_ns * filled.events as f64 / 1e9;
    Row {
        name: format!("job: q0, Kafka JSON → {name}"),
        events: filled.events,
        bytes: filled.bytes,
        wall,
        cpu,
        rss_bytes: report.rss_bytes,
        note: format!(
            "{:.0} k ev/s, decoding {:.0} %, {} checkpoints: pause {} µs, {:.1} ms at most",
            filled.events as f64 / wall.as_secs_f64().max(1e-9) / 1e3,
            decoding / cpu.as_secs_f64().max(1e-9) * 100.0,
            report.checkpoints,
            report.pause_us,
            report.duration_us as f64 / 1e3
        ),
    }
}

/// Runs the job to the end of the topic in this process and prints the report.
pub(crate) async fn run(args: &JobArgs) -> anyhow::Result<()> {
    let kafka = KafkaSettings::plain(&args.bootstrap);
    let stream = bids::stream(&args.topic)?;
    let begun = Instant::now();
    let settings = KafkaStreamSettings {
        kafka: kafka.clone(),
        schema: stream.clone(),
        limits: FETCH,
        start: StartAt::Earliest,
        bounded: true,
    };
    let dead = Arc::new(DeadLettersCounted);
    let source = KafkaStream::new(settings, dead, Arc::new(SystemClock::default()))?;
    let plan = job_plan()?;
    let disk = Arc::new(LocalFileSystem::new_with_prefix(&args.folder)?);
    let counted = CountingSink::default();
    let job = Job::new(QUERY, plan.clone())
        .with_source("bid", source)
        .checkpoints(CheckpointStore::new(disk, Path::from("checkpoints")))
        .settings(JobSettings { checkpoint_interval: Some(CHECKPOINTS), ..JobSettings::default() });
    let out = sink(QUERY).name;
    let job = match args.to {
        To::Count => job.with_sink(out, counted.clone()),
        To::Delta => job.with_sink(out, table(args, &plan).await?),
    };
    let checkpoints = finish(job.start()).await?;
    let (used, wall) = (usage(std::process::id()).unwrap_or_default(), begun.elapsed());
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let report = Report {
        rows: (args.to == To::Count).then(|| counted.rows()),
        wall_us: micros(wall),
        cpu_us: micros(used.cpu),
        rss_bytes: used.rss_bytes,
        checkpoints: checkpoints.len(),
        pause_us: checkpoints.iter().map(|c| c.pause_us).max().unwrap_or_default(),
        duration_us: checkpoints.iter().map(|c| c.duration_us).max().unwrap_or_default(),
        decode_ns: decode_alone(&kafka, &stream)?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn job_plan() -> anyhow::Result<JobPlan> {
    let sink = sink(QUERY);
    let event_time = Some(EventTimeDef {
        column: "dateTime".to_owned(),
        delay: Duration::from_secs(4),
        idle: Duration::from_mins(1),
    });
    let catalog = Catalog::default()
        .source("bid", SourceDef { schema: bid_schema(), event_time, bounded: true })
        .sink(sink.name, SinkDef { schema: Some(sink.schema), key: None });
    plan(sql(QUERY), &catalog).map_err(|errors| anyhow::anyhow!("{}", errors[0]))
}

async fn table(args: &JobArgs, plan: &JobPlan) -> anyhow::Result<DeltaTable> {
    let folder = args.folder.join("tables");
    std::fs::create_dir_all(&folder)?;
    let url = format!("file://{}", folder.canonicalize()?.display());
    let warehouse = Warehouse::open(WarehouseSettings::at(url.parse()?)).await?;
    let is_sink = |node: &&millrace_plan::Node| matches!(node.kind, NodeKind::Sink(_));
    let node = plan.nodes.iter().find(is_sink).context("the query writes something")?;
    let settings = TableSettings {
        table: "bench.bids".parse()?,
        columns: Arc::clone(&node.schema),
        partition_by: Vec::new(),
        budget: Budget::new("bench", 256 << 20),
        max_open_files: 4,
    };
    Ok(DeltaTable::new(warehouse, QUERY, "out", settings)?)
}

/// Waits for the end of a run; its checkpoints.
async fn finish(mut running: RunningJob) -> anyhow::Result<Vec<CheckpointStatus>> {
    let control = running.control().await?;
    let mut seen: Vec<CheckpointStatus> = Vec::new();
    let mut ended = false;
    while !ended {
        // Looked at once more after the end, for the last checkpoint.
        ended = control.has_ended();
        let newest = control.status().checkpoint;
        if newest.number > seen.last().map_or(0, |checkpoint| checkpoint.number) {
            seen.push(newest);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.wait().await?;
    Ok(seen)
}

/// CPU nanoseconds to decode an event of the topic's first partition.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn decode_alone(kafka: &KafkaSettings, stream: &StreamSchema) -> anyhow::Result<f64> {
    let mut consumer = Consumer::manual(kafka, FETCH)?;
    consumer.start_at(&TopicPartition::new(stream.topic.as_str(), 0), Some(Offset(0)))?;
    let mut batches: Vec<RawBatch> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    let rows = |batches: &[RawBatch]| batches.iter().map(RawBatch::len).sum::<usize>();
    while rows(&batches) < DECODED_ALONE && Instant::now() < deadline {
        batches.extend(consumer.poll(Duration::from_millis(100))?);
    }
    drop(consumer);
    let mut decoder = Decoder::new(stream);
    let before = usage(std::process::id()).unwrap_or_default().cpu;
    let events: usize = batches.iter().map(|raw| decoder.decode(raw).batch.num_rows()).sum();
    let took = usage(std::process::id()).unwrap_or_default().cpu.saturating_sub(before);
    Ok(took.as_nanos() as f64 / events.max(1) as f64)
}
