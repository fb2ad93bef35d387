//! Checkpoints and restore with much state: one group per key, a part of the keys changed between
//! two checkpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use clap::Args;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use millrace_plan::{Catalog, JobPlan, SinkDef, SourceDef, plan};
use millrace_processors::{CheckpointStore, Job, JobSettings, Stop};

use crate::counting::CountingSink;
use crate::fed::FedSource;
use crate::process::usage;

/// What is asked of the run.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// Keys.
    #[arg(long, default_value_t = 8_000_000)]
    keys: i64,
    /// Rows between two checkpoints; each is for a key of its own.
    #[arg(long, default_value_t = 400_000)]
    changed: i64,
    /// Checkpoints measured.
    #[arg(long, default_value_t = 20)]
    checkpoints: usize,
    /// Bytes of state in memory.
    #[arg(long, default_value_t = 8 << 30)]
    state_memory: usize,
}

const BATCH_ROWS: i64 = 8192;

fn schema() -> SchemaRef {
    let long = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![long("k"), long("v")]))
}

fn job_plan() -> anyhow::Result<JobPlan> {
    let source = SourceDef { schema: schema(), event_time: None, bounded: false };
    let sink = SinkDef { schema: None, key: Some(vec!["k".to_owned()]) };
    let catalog = Catalog::default().source("t", source).sink("out", sink);
    let sql = "INSERT INTO out SELECT k, COUNT(*) AS n, SUM(v) AS s, MIN(v) AS l, MAX(v) AS h, \
               AVG(v) AS a FROM t GROUP BY k";
    plan(sql, &catalog).map_err(|errors| anyhow::anyhow!("{}", errors[0]))
}

fn rows(from: i64, count: i64, keys: i64) -> RecordBatch {
    // A multiplication with an odd number visits all keys, in no order that helps.
    let k = (from..from + count).map(|n| n.wrapping_mul(2_654_435_761).rem_euclid(keys));
    let v = (from..from + count).map(|n| n % 1000);
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(k)), Arc::new(Int64Array::from_iter_values(v))];
    RecordBatch::try_new(schema(), columns).expect("two columns of one length")
}

/// Fills the state, measures checkpoints, then restores.
pub(crate) async fn run(args: &StateArgs) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = Arc::new(LocalFileSystem::new_with_prefix(folder.path())?);
    let job = Job::new("state", job_plan()?)
        .with_sink("out", CountingSink::default())
        .checkpoints(CheckpointStore::new(disk, Path::from("checkpoints")))
        .settings(JobSettings {
            checkpoint_interval: None,
            state_memory: args.state_memory,
            ..JobSettings::default()
        });
    let (feed, source) = FedSource::new();
    let mut running = job.clone().with_source("t", source).start();
    let control = running.control().await?;
    let mut at = 0;
    while at < args.keys {
        feed.send(rows(at, BATCH_ROWS, args.keys)).await?;
        at += BATCH_ROWS;
    }
    let begun = Instant::now();
    control.checkpoint().await?;
    let status = control.status();
    let state: u64 = status.operators.values().map(|operator| operator.state_bytes).sum();
    println!(
        "{} keys, {} MiB of state in memory; first checkpoint {:.2} s, {} MiB",
        args.keys,
        state >> 20,
        begun.elapsed().as_secs_f64(),
        status.checkpoint.written_bytes >> 20
    );
    let (mut pauses, mut durations, mut written) = (Vec::new(), Vec::new(), 0);
    for _ in 0..args.checkpoints {
        let end = at + args.changed;
        while at < end {
            feed.send(rows(at, BATCH_ROWS, args.keys)).await?;
            at += BATCH_ROWS;
        }
        control.checkpoint().await?;
        let checkpoint = control.status().checkpoint;
        pauses.push(checkpoint.pause_us);
        durations.push(checkpoint.duration_us);
        written += checkpoint.written_bytes;
    }
    pauses.sort_unstable();
    durations.sort_unstable();
    let last = |sorted: &[u64]| sorted.last().copied().unwrap_or_default();
    println!(
        "{} incremental checkpoints of {} changed keys: pause p50 {} µs, max {} µs; duration p50 \
         {} ms, max {} ms; {} MiB each",
        args.checkpoints,
        args.changed,
        pauses[pauses.len() / 2],
        last(&pauses),
        durations[durations.len() / 2] / 1000,
        last(&durations) / 1000,
        (written / args.checkpoints as u64) >> 20
    );
    control.stop(Stop::default()).await?;
    running.wait().await?;
    restore(&job).await
}

async fn restore(job: &Job) -> anyhow::Result<()> {
    let (feed, source) = FedSource::new();
    let (before, begun) = (usage(), Instant::now());
    let mut running = job.clone().with_source("t", source).start();
    let control = running.control().await?;
    let took = begun.elapsed();
    let cpu = usage().cpu.saturating_sub(before.cpu);
    feed.send(rows(0, 1, 1)).await?;
    // The row is in the state it was restored to, or this is not a restore.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let state: u64 = control.status().operators.values().map(|o| o.state_bytes).sum();
    println!(
        "restore: {:.2} s wall, {:.2} s CPU, {} MiB of state; peak RSS {} MiB",
        took.as_secs_f64(),
        cpu.as_secs_f64(),
        state >> 20,
        usage().rss_bytes >> 20
    );
    control.stop(Stop::default()).await?;
    running.wait().await?;
    Ok(())
}
