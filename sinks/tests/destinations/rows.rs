//! Batches for tests.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use millrace_events::{
    DeadLetter, Header, Offset, OffsetRange, RawBatchBuilder, RawRecord, RouteName, TopicPartition,
};
use millrace_sinks::{Progress, Records, SinkBatch};

pub(crate) fn route() -> RouteName {
    "orders".parse().expect("a valid name")
}

pub(crate) fn tp() -> TopicPartition {
    TopicPartition::new("clicks", 3)
}

fn batch(from: i64, next: i64, records: Records, dead: Vec<DeadLetter>) -> SinkBatch {
    let progress = Progress {
        range: OffsetRange { from: Offset(from), next: Offset(next) },
        written: records.len() as u64,
        filtered: 0,
        dead: dead.len() as u64,
        gaps: 0,
    };
    assert!(progress.adds_up(), "a test's batch is what it says: {progress:?}");
    SinkBatch { tp: tp(), progress, records, dead }
}

/// A row an offset: `{"id":"e<offset>","n":<offset>}`; ids of offsets that divide by 5 are null.
pub(crate) fn columns(from: i64, next: i64) -> SinkBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]);
    let ids = (from..next).map(|n| (n % 5 != 0).then(|| format!("e{n}")));
    let columns = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(ids.collect::<StringArray>()),
            Arc::new((from..next).map(Some).collect::<Int64Array>()),
        ],
    )
    .expect("the columns fit the schema");
    batch(from, next, Records::Columns(columns), Vec::new())
}

/// The same offsets, every one of them a dead letter.
pub(crate) fn dead(from: i64, next: i64) -> SinkBatch {
    let mut builder = RawBatchBuilder::new(tp(), Offset(from));
    for offset in from..next {
        builder.push(RawRecord {
            offset: Offset(offset),
            timestamp_ms: 1,
            key: None,
            value: Some(b"\xff"),
            headers: &[],
        });
    }
    let raw = Arc::new(builder.finish());
    let letters = (0..raw.len()).map(|row| DeadLetter::of(&raw, row, "not JSON")).collect();
    batch(from, next, Records::Raw { batch: raw, rows: Vec::new() }, letters)
}

/// One raw record: key, value, headers.
pub(crate) type Record<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [Header]);

/// `records` at offsets from `from`, all chosen.
pub(crate) fn raw(from: i64, records: &[Record<'_>]) -> SinkBatch {
    let mut builder = RawBatchBuilder::new(tp(), Offset(from));
    for (offset, (key, value, headers)) in (from..).zip(records) {
        builder.push(RawRecord {
            offset: Offset(offset),
            timestamp_ms: 1_700_000_000_000 + offset,
            key: *key,
            value: *value,
            headers,
        });
    }
    let raw = Arc::new(builder.finish());
    let rows = (0..).take(raw.len()).collect();
    let next = from.saturating_add_unsigned(raw.len() as u64);
    batch(from, next, Records::Raw { batch: raw, rows }, Vec::new())
}
