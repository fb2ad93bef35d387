//! From a row handed to a source to the same row at a sink that has no transactions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use async_trait::async_trait;
use clap::Args;

use millrace_plan::{Catalog, SinkDef, SourceDef, plan};
use millrace_processors::connector::{
    ConnectorError, Position, Prepared, SinkCommitter, SinkFactory, SinkWriter, SplitId,
};
use millrace_processors::{Batch, Job};

use crate::fed::FedSource;

/// What is asked of the run.
#[derive(Debug, Args)]
pub(crate) struct LatencyArgs {
    /// Batches.
    #[arg(long, default_value_t = 5_000)]
    batches: u32,
    /// Rows of a batch.
    #[arg(long, default_value_t = 100)]
    rows: i64,
}

#[derive(Debug, Clone)]
struct Stopwatch {
    started: Instant,
    taken_us: Arc<Mutex<Vec<i64>>>,
}

impl Stopwatch {
    fn now_us(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

#[async_trait]
impl SinkFactory for Stopwatch {
    async fn writer(&self, _: usize, _: u64) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }

    async fn committer(&self, _: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SinkWriter for Stopwatch {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        let now = self.now_us();
        let sent = batch.rows.column(0).as_primitive::<Int64Type>();
        let mut taken = self.taken_us.lock().unwrap_or_else(PoisonError::into_inner);
        taken.extend(sent.values().iter().map(|sent| now - sent));
        Ok(())
    }

    async fn prepare(&mut self, _: u64) -> Result<Prepared, ConnectorError> {
        Ok(Prepared::Null)
    }
}

#[async_trait]
impl SinkCommitter for Stopwatch {
    async fn commit(
        &mut self,
        _: u64,
        _: &[(SplitId, Position)],
        _: Vec<Prepared>,
    ) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// Rows of a filtering job and of one that groups.
pub(crate) async fn run(args: &LatencyArgs) -> anyhow::Result<()> {
    for (name, key, sql) in [
        ("filter", None, "INSERT INTO out SELECT sent FROM t WHERE k >= 0"),
        ("group", Some("k"), "INSERT INTO out SELECT MAX(sent) AS sent, k FROM t GROUP BY k"),
    ] {
        let taken = measure(args, key, sql).await?;
        let at = |share: usize| taken[(taken.len() - 1) * share / 100];
        println!("{name}: {} rows, p50 {} µs, p99 {} µs", taken.len(), at(50), at(99));
    }
    Ok(())
}

async fn measure(args: &LatencyArgs, key: Option<&str>, sql: &str) -> anyhow::Result<Vec<i64>> {
    let long = |name| Field::new(name, DataType::Int64, true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![long("sent"), long("k")]));
    let source = SourceDef { schema: Arc::clone(&schema), event_time: None, bounded: false };
    let sink = SinkDef { schema: None, key: key.map(|key| vec![key.to_owned()]) };
    let catalog = Catalog::default().source("t", source).sink("out", sink);
    let plan = plan(sql, &catalog).map_err(|errors| anyhow::anyhow!("{}", errors[0]))?;
    let watch = Stopwatch { started: Instant::now(), taken_us: Arc::default() };
    let (feed, source) = FedSource::new();
    let mut running =
        Job::new("latency", plan).with_source("t", source).with_sink("out", watch.clone()).start();
    running.control().await?;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    for _ in 0..args.batches {
        tick.tick().await;
        let k = Int64Array::from_iter_values(0..args.rows);
        let sent = Int64Array::from(vec![watch.now_us(); k.len()]);
        feed.send(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(sent), Arc::new(k)])?)
            .await?;
    }
    drop(feed);
    running.wait().await?;
    let mut taken = watch.taken_us.lock().unwrap_or_else(PoisonError::into_inner).clone();
    taken.sort_unstable();
    Ok(taken)
}
