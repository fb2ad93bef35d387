//! The data path's figures, one table: CPU-seconds and memory of the process under test, and the
//! limit.
//!
//! Run it with `bench/run.sh`, which builds everything with optimization first.

mod bids;
#[path = "../nexmark/src/counting.rs"]
mod counting;
mod events;
mod http;
mod job;
mod limit;
mod pipeline;
mod process;
mod scan;
mod site;
mod table;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use job::To;
use pipeline::Take;
use site::Site;
use table::Table;

/// What the benchmark starts as a process of its own.
#[derive(Debug, Subcommand)]
enum Under {
    /// A job, from a topic to its end.
    #[command(hide = true)]
    Job(job::JobArgs),
}

/// Benchmarks of the data path.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Under>,
    /// The `millrace` binary under test.
    #[arg(long, default_value = "target/release/millrace")]
    binary: PathBuf,
    /// Megabytes of events per run.
    #[arg(long, default_value_t = 300)]
    megabytes: usize,
    /// Bids of the run of a job.
    #[arg(long, default_value_t = 15_000_000)]
    job_events: u64,
    /// Only the scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// A Kafka cluster; without it a broker is embedded in this process (not in the one under
    /// test).
    #[arg(long, env = "MILLRACE_TEST_KAFKA")]
    kafka: Option<String>,
    /// Python with `duckdb`, for the scan beside ours.
    #[arg(long, env = "MILLRACE_PYTHON")]
    python: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(Under::Job(under)) = &args.command {
        return job::run(under).await;
    }
    let wanted = |name: &str| name.contains(&args.only);
    let mut table = Table::default();
    let bytes = args.megabytes << 20;
    if wanted("limit") {
        table.add(limit::run("limit: decode + encode in memory, 1 KB", events::Size::Full)?);
        table.add(limit::run("limit: decode + encode in memory, 0.5 KB", events::Size::Half)?);
    }
    let site = Site::start(&args.binary, args.kafka.as_deref()).await?;
    if wanted("delta") {
        let full = site.fill("full", events::Size::Full, bytes).await?;
        let runs: [(&str, &[Take]); 3] = [
            ("delta: Kafka → Delta, 1 KB, one route", &[Take::All]),
            ("delta: with a second route (where, select)", &[Take::All, Take::Part]),
            ("delta: with a second route (everything again)", &[Take::All, Take::All]),
        ];
        for (name, routes) in runs {
            table.add(pipeline::delta(&site, name, &full, routes).await?);
        }
        let half = site.fill("half", events::Size::Half, bytes).await?;
        table.add(
            pipeline::delta(&site, "delta: Kafka → Delta, 0.5 KB, one route", &half, &[Take::All])
                .await?,
        );
    }
    if wanted("copy") {
        let small = site.fill("small", events::Size::Small, bytes / 4).await?;
        table.add(
            pipeline::copy(&site, "copy: Kafka → Kafka, header filter, no decode", &small).await?,
        );
    }
    if wanted("job") {
        let filled = bids::fill(&site, args.job_events).await?;
        table.add(job::measure(&site, &filled, To::Count)?);
        table.add(job::measure(&site, &filled, To::Delta)?);
    }
    if wanted("http") {
        http::run(&site, &mut table).await?;
    }
    if wanted("scan") {
        scan::run(&site, args.python.as_deref(), &mut table).await?;
    }
    table.print();
    site.stop().await;
    Ok(())
}
