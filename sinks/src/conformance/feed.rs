//! A log that exists by arithmetic: which offset holds a row, a filtered one, a dead one or
//! nothing.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use millrace_events::{
    DeadLetter, Header, Offset, OffsetRange, RawBatch, RawBatchBuilder, RawRecord, TopicPartition,
};

use super::harness::Form;
use crate::{Ledger, Progress, Records, SinkBatch};

/// Columns of the rows the checks write: `event_id`, `event_time` (two days of it), `n`.
pub fn columns() -> SchemaRef {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("event_id", DataType::Utf8, true),
        Field::new("event_time", utc, true),
        Field::new("n", DataType::Int64, true),
    ]))
}

/// What is at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    Filtered,
    Dead,
    Gap,
}

/// Decides the fate of an offset.
pub(super) type Fates = fn(i64) -> Fate;

/// A bit of everything.
pub(super) fn mixed(offset: i64) -> Fate {
    match offset % 10 {
        3 => Fate::Filtered,
        5 => Fate::Dead,
        7 => Fate::Gap,
        _ => Fate::Written,
    }
}

/// One topic.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) topic: Arc<str>,
    pub(super) form: Form,
    pub(super) fates: Fates,
}

impl Log {
    pub(super) fn tp(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), partition)
    }

    pub(super) fn id(&self, partition: i32, offset: i64) -> String {
        format!("{}/{partition}/{offset}", self.topic)
    }

    fn chosen(&self, range: &Range<i64>, fate: Fate) -> Vec<i64> {
        range.clone().filter(|offset| (self.fates)(*offset) == fate).collect()
    }

    /// Ids of the rows that `range` must bring to the destination.
    pub(super) fn ids(&self, partition: i32, range: Range<i64>) -> Vec<String> {
        self.chosen(&range, Fate::Written).iter().map(|o| self.id(partition, *o)).collect()
    }

    /// Offsets of the dead letters in `range`.
    pub(super) fn dead(&self, range: Range<i64>) -> Vec<i64> {
        self.chosen(&range, Fate::Dead)
    }

    /// Asserts that `ledger` says exactly what happened to `range`.
    pub(super) fn assert_ledger(&self, ledger: &Ledger, range: Range<i64>) {
        let count = |fate| self.chosen(&range, fate).len() as u64;
        let (first, next) = (Some(Offset(range.start)), Some(Offset(range.end)));
        let (first, next) = if range.is_empty() { (None, None) } else { (first, next) };
        let expected = Ledger {
            epoch: ledger.epoch,
            first,
            next,
            written: count(Fate::Written),
            filtered: count(Fate::Filtered),
            dead: count(Fate::Dead),
            gaps: count(Fate::Gap),
        };
        assert_eq!(*ledger, expected, "{}: ledger after {range:?}", self.topic);
        assert!(ledger.adds_up(), "{}: {ledger:?}", self.topic);
    }

    /// The batch a router would make of `range`.
    pub(super) fn batch(&self, partition: i32, range: Range<i64>) -> SinkBatch {
        let count = |fate| self.chosen(&range, fate).len() as u64;
        let raw = Arc::new(self.raw(partition, &range));
        let row_of = |offset: &i64| raw.offsets().binary_search(offset).expect("is in the log");
        let written = self.chosen(&range, Fate::Written);
        let dead = self.chosen(&range, Fate::Dead);
        let dead = dead.iter().map(|o| DeadLetter::of(&raw, row_of(o), "not what it should be"));
        let dead: Vec<_> = dead.collect();
        let records = match self.form {
            Form::Columns => Records::Columns(self.columns(partition, &written)),
            Form::Raw => {
                let row = |o: &i64| u32::try_from(row_of(o)).expect("batches are small");
                Records::Raw { rows: written.iter().map(row).collect(), batch: Arc::clone(&raw) }
            }
        };
        SinkBatch {
            tp: self.tp(partition),
            progress: Progress {
                range: OffsetRange { from: Offset(range.start), next: Offset(range.end) },
                written: written.len() as u64,
                filtered: count(Fate::Filtered),
                dead: dead.len() as u64,
                gaps: count(Fate::Gap),
            },
            records,
            dead,
        }
    }

    fn columns(&self, partition: i32, offsets: &[i64]) -> RecordBatch {
        let ids = offsets.iter().map(|o| Some(self.id(partition, *o)));
        let times = offsets.iter().map(|o| time_ms(*o) * 1000);
        RecordBatch::try_new(
            columns(),
            vec![
                Arc::new(ids.collect::<StringArray>()),
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
                Arc::new(Int64Array::from(offsets.to_vec())),
            ],
        )
        .expect("the columns are those of `columns()`")
    }

    fn raw(&self, partition: i32, range: &Range<i64>) -> RawBatch {
        let mut builder = RawBatchBuilder::new(self.tp(partition), Offset(range.start));
        for offset in range.clone().filter(|o| (self.fates)(*o) != Fate::Gap) {
            let id = self.id(partition, offset);
            let time = time_ms(offset);
            let value = format!(r#"{{"event_id":"{id}","event_time":{time},"n":{offset}}}"#);
            let header =
                Header { name: "ce_id".to_owned(), value: Some(id.clone().into_bytes().into()) };
            builder.push(RawRecord {
                offset: Offset(offset),
                timestamp_ms: time,
                key: Some(id.as_bytes()),
                value: Some(value.as_bytes()),
                headers: &[header],
            });
        }
        builder.advance_to(Offset(range.end));
        builder.finish()
    }
}

/// 14 November 2023, 22:13:20 UTC, and the day after: rows fall into two date partitions.
fn time_ms(offset: i64) -> i64 {
    1_700_000_000_000 + (offset % 2) * 86_400_000
}
