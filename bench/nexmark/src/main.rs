//! Nexmark in process: thousand events a CPU-second for each query, exactly once.
//!
//! Events are columns in memory before the clock starts; rows are read from there, go through the
//! job and are counted by its sink. Checkpoints go to the local disk.

mod counting;
mod fed;
mod flink_events;
mod json;
mod latency;
mod process;
mod ring;
mod state;
mod streams;
mod sustained;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use millrace_nexmark::{Events, QUERIES, Settings, generate, sink, sql};
use millrace_plan::{ExplainForm, JobPlan, explain, plan};
use millrace_processors::{CheckpointStore, Job, JobSettings};
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use counting::CountingSink;
use flink_events::write_streams;
use process::{reset_peak, usage};

/// Rows of a batch a source hands over.
const BATCH_ROWS: usize = 8192;

#[derive(Debug, Parser)]
enum Command {
    /// Events through each query.
    Queries(Args),
    /// Events for some time through each query, with checkpoints.
    Sustained(sustained::SustainedArgs),
    /// Checkpoints and restore with much state.
    State(state::StateArgs),
    /// q0 over JSON, and the share of decoding.
    Json(json::JsonArgs),
    /// From row to output.
    Latency(latency::LatencyArgs),
}

#[derive(Debug, clap::Args)]
struct Args {
    /// Events of all three kinds.
    #[arg(long, default_value_t = 4_000_000)]
    events: usize,
    /// Queries to run; all by default.
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Instances of each operator.
    #[arg(long, default_value_t = 1)]
    parallelism: usize,
    /// Milliseconds between checkpoints.
    #[arg(long, default_value_t = 10_000)]
    checkpoint_ms: u64,
    /// Bytes of state in memory.
    #[arg(long, default_value_t = 4 << 30)]
    state_memory: usize,
    /// Print the plan of each query instead of running it.
    #[arg(long)]
    explain: bool,
    /// Write tab-separated lines instead of a table.
    #[arg(long)]
    tsv: bool,
    /// Write the events as another engine reads them, and run nothing.
    #[arg(long)]
    write_events: Option<PathBuf>,
}

/// What one query took.
struct Figures {
    events: usize,
    wall: Duration,
    cpu: Duration,
    rss_bytes: u64,
    state_bytes: u64,
    pause_us: u64,
    rows_out: u64,
}

/// The least that is asked of a query, thousand events a second and core.
fn target(query: &str) -> u64 {
    match query {
        "q5" | "q7" | "q8" | "q11" => 800,
        "q15" | "q17" => 400,
        "q18" | "q19" => 150,
        "q16" => 100,
        _ => 1500,
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Queries(args) => queries(&args).await,
        Command::Sustained(args) => sustained::run(&args).await,
        Command::State(args) => state::run(&args).await,
        Command::Json(args) => json::run(&args).await,
        Command::Latency(args) => latency::run(&args).await,
    }
}

async fn queries(args: &Args) -> anyhow::Result<()> {
    let queries: Vec<&str> = match args.queries.as_slice() {
        [] => QUERIES.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    if args.explain {
        for query in queries {
            println!("-- {query}\n{}", explain(&job_plan(query)?, ExplainForm::Text));
        }
        return Ok(());
    }
    let settings = Settings { events: args.events, ..Settings::default() };
    let events = generate(&settings, BATCH_ROWS);
    eprintln!("{} events in memory", events.rows());
    if let Some(folder) = &args.write_events {
        let Events { persons, auctions, bids } = &events;
        return write_streams(folder, persons, auctions, bids).context("writing events");
    }
    head(args.tsv);
    for query in queries {
        let figures = run(query, &events, args).await.with_context(|| query.to_owned())?;
        line(query, &figures, args.tsv);
    }
    Ok(())
}

fn job_plan(query: &str) -> anyhow::Result<JobPlan> {
    plan(sql(query), &streams::catalog(query))
        .map_err(|errors| anyhow::anyhow!("{query}: {}", errors[0]))
}

async fn run(query: &str, events: &Events, args: &Args) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir()?;
    let disk = Arc::new(LocalFileSystem::new_with_prefix(folder.path())?);
    let out = CountingSink::default();
    let settings = JobSettings {
        parallelism: args.parallelism,
        checkpoint_interval: Some(Duration::from_millis(args.checkpoint_ms)),
        state_memory: args.state_memory,
        ..JobSettings::default()
    };
    let job = streams::sources(Job::new(query, job_plan(query)?), events)
        .with_sink(sink(query).name, out.clone())
        .checkpoints(CheckpointStore::new(disk, Path::from("checkpoints")))
        .settings(settings);
    reset_peak();
    let before = usage();
    let begun = std::time::Instant::now();
    let mut running = job.start();
    let mut watching = streams::watch(running.control().await?);
    running.wait().await?;
    let wall = begun.elapsed();
    let after = usage();
    let seen = watching.join_next().await.expect("one task watches")?;
    Ok(Figures {
        events: streams::rows_read(query, events),
        wall,
        cpu: after.cpu.saturating_sub(before.cpu),
        rss_bytes: after.rss_bytes,
        state_bytes: seen.state_bytes,
        pause_us: seen.pause_us(),
        rows_out: out.rows(),
    })
}

fn head(tsv: bool) {
    if tsv {
        println!(
            "query\tevents\twall_s\tcpu_s\tkeps_cpu\tkeps_wall\trss_mb\trows_out\tstate_mb\tpause_us"
        );
    } else {
        println!(
            "| {:<5} | {:>9} | {:>6} | {:>6} | {:>13} | {:>6} | {:>8} | {:>9} | {:>9} | {:>9} |",
            "query",
            "events",
            "wall s",
            "CPU s",
            "k ev / CPU s",
            "asked",
            "RSS MiB",
            "state MiB",
            "pause µs",
            "rows out"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn line(query: &str, f: &Figures, tsv: bool) {
    let per = |time: Duration| f.events as f64 / time.as_secs_f64().max(1e-9) / 1e3;
    let (wall, cpu) = (f.wall.as_secs_f64(), f.cpu.as_secs_f64());
    let (rss, state) = (f.rss_bytes >> 20, f.state_bytes >> 20);
    if tsv {
        println!(
            "{query}\t{}\t{wall:.2}\t{cpu:.2}\t{:.0}\t{:.0}\t{rss}\t{}\t{state}\t{}",
            f.events,
            per(f.cpu),
            per(f.wall),
            f.rows_out,
            f.pause_us
        );
    } else {
        println!(
            "| {query:<5} | {:>9} | {wall:>6.2} | {cpu:>6.2} | {:>13.0} | {:>6} | {rss:>8} | \
             {state:>9} | {:>9} | {:>9} |",
            f.events,
            per(f.cpu),
            target(query),
            f.pause_us,
            f.rows_out
        );
    }
}
