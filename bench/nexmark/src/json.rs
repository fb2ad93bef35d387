//! q0 over JSON records in memory, decoded as they are from Kafka: what fetching leaves to be done.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use async_trait::async_trait;
use clap::Args;

use millrace_events::{
    Column, ColumnType, Decoder, Offset, RawBatch, RawBatchBuilder, RawRecord, StreamSchema,
    TopicPartition,
};
use millrace_nexmark::{Settings, generate, sink, sql};
use millrace_plan::plan;
use millrace_processors::Job;
use millrace_processors::connector::{
    ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId,
};

use crate::counting::CountingSink;
use crate::process::usage;
use crate::streams;

/// What is asked of the run.
#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// Events of all three kinds; the bids among them are read.
    #[arg(long, default_value_t = 2_000_000)]
    events: usize,
}

/// Records of a batch.
const BATCH_ROWS: usize = 8192;

fn stream() -> anyhow::Result<StreamSchema> {
    let column = |name: &str, data_type| Column { name: name.into(), data_type, required: false };
    Ok(StreamSchema {
        name: "bid".parse()?,
        topic: "bid".to_owned(),
        partitions: 1,
        key: None,
        id: None,
        event_time: None,
        columns: vec![
            column("auction", ColumnType::Int64),
            column("bidder", ColumnType::Int64),
            column("price", ColumnType::Int64),
            column("channel", ColumnType::String),
            column("url", ColumnType::String),
            column("dateTime", ColumnType::TimestampUs),
            column("extra", ColumnType::String),
        ],
    })
}

fn records(rows: &RecordBatch, first: i64) -> anyhow::Result<RawBatch> {
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    writer.write(rows)?;
    writer.finish()?;
    let mut batch = RawBatchBuilder::new(TopicPartition::new("bid", 0), Offset(first));
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for (line, offset) in lines.zip(first..) {
        batch.push(RawRecord {
            offset: Offset(offset),
            timestamp_ms: 0,
            key: None,
            value: Some(line),
            headers: &[],
        });
    }
    Ok(batch.finish())
}

#[derive(Clone)]
struct JsonSource {
    batches: Arc<Vec<RawBatch>>,
    stream: StreamSchema,
}

#[async_trait]
impl SourceFactory for JsonSource {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok(vec![SplitId("bid/0".to_owned())])
    }

    async fn open(
        &self,
        _: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let decoder = Decoder::new(&self.stream);
        Ok(Box::new(Reader { source: self.clone(), decoder, columns: columns.to_vec(), next: 0 }))
    }
}

struct Reader {
    source: JsonSource,
    decoder: Decoder,
    columns: Vec<usize>,
    next: usize,
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let at = self.next;
        self.next += 1;
        let Some(raw) = self.source.batches.get(at) else {
            if at == self.source.batches.len() {
                return Ok(Read::End { split: 0 });
            }
            return std::future::pending().await;
        };
        let rows = self.decoder.decode(raw).batch;
        let rows = rows
            .project(&self.columns)
            .map_err(|e| ConnectorError::Rejected(format!("decoded rows: {e}")))?;
        Ok(Read::Rows { split: 0, rows, position: Position(self.next.to_string()) })
    }
}

/// Decodes alone, then runs the whole job.
pub(crate) async fn run(args: &JsonArgs) -> anyhow::Result<()> {
    let events = generate(&Settings { events: args.events, ..Settings::default() }, BATCH_ROWS);
    let (mut batches, mut first) = (Vec::new(), 0);
    for rows in &events.bids {
        batches.push(records(rows, first)?);
        first += i64::try_from(rows.num_rows())?;
    }
    let bytes: usize = batches.iter().map(RawBatch::payload_bytes).sum();
    let source = JsonSource { batches: Arc::new(batches), stream: stream()? };
    let before = usage().cpu;
    let mut decoder = Decoder::new(&source.stream);
    let rows: usize = source.batches.iter().map(|raw| decoder.decode(raw).batch.num_rows()).sum();
    let decoding = usage().cpu.saturating_sub(before);
    let plan = plan(sql("q0"), &streams::catalog("q0"))
        .map_err(|errors| anyhow::anyhow!("{}", errors[0]))?;
    let out = CountingSink::default();
    let before = usage().cpu;
    Job::new("q0", plan)
        .with_source("bid", source)
        .with_sink(sink("q0").name, out.clone())
        .run()
        .await?;
    let whole = usage().cpu.saturating_sub(before);
    anyhow::ensure!(out.rows() == rows as u64, "{} rows of {rows}", out.rows());
    print(rows, bytes, decoding, whole);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(rows: usize, bytes: usize, decoding: Duration, whole: Duration) {
    let per = |time: Duration| rows as f64 / time.as_secs_f64().max(1e-9) / 1e3;
    println!(
        "q0 over JSON in memory ({} bytes an event): {:.0} k events a CPU-second; decoding alone \
         {:.0} k, {:.0} % of it",
        bytes / rows.max(1),
        per(whole),
        per(decoding),
        decoding.as_secs_f64() / whole.as_secs_f64().max(1e-9) * 100.0
    );
}
