//! Events for a given time through each query: long enough for checkpoints to fall inside.
//!
//! Each query has a process of its own, so that the peak of resident memory is the query's.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use millrace_nexmark::{QUERIES, sink};
use millrace_processors::{CheckpointStore, Job, JobSettings};

use crate::counting::CountingSink;
use crate::process::usage;
use crate::ring::{Ring, Tempo};
use crate::streams::{self, Seen};
use crate::{BATCH_ROWS, job_plan, target};

/// What is asked of the run.
#[derive(Debug, Args)]
pub(crate) struct SustainedArgs {
    /// Queries to run; all by default.
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Seconds that events are read for.
    #[arg(long, default_value_t = 25)]
    seconds: u64,
    /// Thousand rows a second of each stream that are offered; 0 is as many as the job takes.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Milliseconds between checkpoints.
    #[arg(long, default_value_t = 10_000)]
    checkpoint_ms: u64,
    /// Bytes of state in memory; what is more goes to the local disk.
    #[arg(long, default_value_t = 4 << 30)]
    state_memory: usize,
    /// Batches in the ring that is replayed.
    #[arg(long, default_value_t = 24)]
    slices: usize,
    /// Run the one query in this process and print its line only.
    #[arg(long, hide = true)]
    alone: bool,
}

/// Runs the queries one after the other.
pub(crate) async fn run(args: &SustainedArgs) -> anyhow::Result<()> {
    if let (true, [query]) = (args.alone, args.queries.as_slice()) {
        return one(query, args).await.with_context(|| query.clone());
    }
    println!(
        "| query | thousand events | wall s | CPU s | k ev / CPU s | asked | checkpoints | pause µs | \
         duration ms | written MiB | state MiB | peak RSS MiB | replay s | rows out |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let queries: Vec<&str> = match args.queries.as_slice() {
        [] => QUERIES.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    for query in queries {
        let status = Command::new(std::env::current_exe()?)
            .args(["sustained", "--alone", "--queries", query])
            .args(["--seconds", &args.seconds.to_string()])
            .args(["--rate", &args.rate.to_string()])
            .args(["--checkpoint-ms", &args.checkpoint_ms.to_string()])
            .args(["--state-memory", &args.state_memory.to_string()])
            .args(["--slices", &args.slices.to_string()])
            .status()?;
        anyhow::ensure!(status.success(), "{query}: {status}");
    }
    Ok(())
}

/// What one query took.
struct Figures {
    events: u64,
    wall: Duration,
    cpu: Duration,
    replaying: Duration,
    rss_bytes: u64,
    rows_out: u64,
    seen: Seen,
}

async fn one(query: &str, args: &SustainedArgs) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = Arc::new(LocalFileSystem::new_with_prefix(folder.path())?);
    let out = CountingSink::default();
    let plan = job_plan(query)?;
    let run = Duration::from_secs(args.seconds);
    // A slice for q8 has as many auctions as bids for others, and so sixteen times the events.
    let slices = if query == "q8" { args.slices.div_ceil(16) } else { args.slices };
    let row_every = Duration::from_millis(1).checked_div(args.rate).unwrap_or_default();
    let tempo = Tempo { run, row_every };
    let ring = Ring::new(query, slices, BATCH_ROWS, tempo);
    let job = ["person", "auction", "bid"]
        .into_iter()
        .fold(Job::new(query, plan), |job, name| job.with_source(name, ring.source(name)))
        .with_sink(sink(query).name, out.clone())
        .checkpoints(CheckpointStore::new(disk, Path::from("checkpoints")))
        .settings(JobSettings {
            checkpoint_interval: Some(Duration::from_millis(args.checkpoint_ms)),
            state_memory: args.state_memory,
            spill_dir: Some(folder.path().join("spill")),
            ..JobSettings::default()
        });
    let (before, begun) = (usage(), Instant::now());
    let mut running = job.start();
    let mut watching = streams::watch(running.control().await?);
    running.wait().await?;
    let (after, wall) = (usage(), begun.elapsed());
    let seen = watching.join_next().await.expect("one task watches")?;
    let periodic = run.as_millis() / u128::from(args.checkpoint_ms.max(1));
    if periodic > 0 && seen.checkpoints.len() < 2 {
        eprintln!("{query}: no checkpoint fell inside the run");
    }
    let figures = Figures {
        events: ring.rows(),
        wall,
        cpu: after.cpu.saturating_sub(before.cpu),
        replaying: ring.replaying(),
        rss_bytes: after.rss_bytes,
        rows_out: out.rows(),
        seen,
    };
    eprintln!("{query}: {} MiB of events in the ring", ring.bytes() >> 20);
    line(query, &figures);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn line(query: &str, f: &Figures) {
    let checkpoints = || f.seen.checkpoints.values();
    let pause = f.seen.pause_us();
    let duration = checkpoints().map(|c| c.duration_us).max().unwrap_or_default();
    let written: u64 = checkpoints().map(|c| c.written_bytes).sum();
    let rate = f.events as f64 / f.cpu.as_secs_f64().max(1e-9) / 1e3;
    println!(
        "| {query} | {} | {:.1} | {:.1} | {rate:.0} | {} | {} | {pause} | {:.1} | {} | {} | {} | {:.1} | {} |",
        f.events / 1000,
        f.wall.as_secs_f64(),
        f.cpu.as_secs_f64(),
        target(query),
        f.seen.checkpoints.len(),
        duration as f64 / 1e3,
        written >> 20,
        f.seen.state_bytes >> 20,
        f.rss_bytes >> 20,
        f.replaying.as_secs_f64(),
        f.rows_out
    );
}
