//! The limit: decode and encode in a loop, in memory, on one thread, with nothing around it.

use std::time::Instant;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use millrace_events::{Decoder, Offset, RawBatch, RawBatchBuilder, RawRecord, TopicPartition};

use crate::events::{self, Size};
use crate::process::own_cpu;
use crate::table::Row;

const BATCHES: u64 = 64;
const ROWS: u64 = 4_000;

fn batch(number: u64, size: Size) -> RawBatch {
    let first = number * ROWS;
    let from = i64::try_from(first).expect("small");
    let mut builder = RawBatchBuilder::new(TopicPartition::new("limit", 0), Offset(from));
    for (n, offset) in (first..first + ROWS).zip(from..) {
        builder.push(RawRecord {
            offset: Offset(offset),
            timestamp_ms: 0,
            key: None,
            value: Some(&events::event(n, size)),
            headers: &[],
        });
    }
    builder.finish()
}

/// Measures the loop.
pub(crate) fn run(name: &str, size: Size) -> anyhow::Result<Row> {
    let batches: Vec<_> = (0..BATCHES).map(|n| batch(n, size)).collect();
    let stream = events::stream("limit");
    let level = ZstdLevel::try_new(1)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let (cpu, wall) = (own_cpu(), Instant::now());
    let mut decoder = Decoder::new(&stream);
    let mut writer = ArrowWriter::try_new(Vec::new(), stream.arrow(), Some(properties))?;
    for raw in &batches {
        let rows = decoder.decode(raw);
        anyhow::ensure!(rows.dead.is_empty(), "{:?}", rows.dead.first());
        writer.write(&rows.batch)?;
    }
    let file = writer.into_inner()?;
    let bytes: usize = batches.iter().map(|b: &RawBatch| b.payload_bytes()).sum();
    Ok(Row {
        name: name.to_owned(),
        events: BATCHES * ROWS,
        bytes: bytes as u64,
        wall: wall.elapsed(),
        cpu: own_cpu().saturating_sub(cpu),
        rss_bytes: 0,
        note: format!("{} MB of Parquet", file.len() / 1_000_000),
    })
}
