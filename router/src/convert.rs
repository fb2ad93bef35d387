//! From a decoded batch to what one route hands to its sink: pure, and every offset accounted for.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;

use millrace_events::{DeadLetter, Decoded, Offset, OffsetRange, RawBatch, RouteName};
use millrace_sinks::{Progress, Records, SinkBatch};

use crate::settings::{Handling, HeaderFilter};

/// A batch as every route of its topic shares it.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The records.
    pub(crate) raw: Arc<RawBatch>,
    /// Their columns; `None` when no route of the topic wants columns.
    pub(crate) decoded: Option<Decoded>,
}

/// What a route needs for the conversion.
#[derive(Debug, Clone)]
pub(crate) struct Converter {
    pub(crate) route: RouteName,
    pub(crate) headers: HeaderFilter,
    pub(crate) handling: Handling,
}

impl Converter {
    /// The part of `shared` from `next` on; `None` when the route has it all already.
    pub(crate) fn convert(&self, shared: &Shared, next: Option<Offset>) -> Option<SinkBatch> {
        let raw = &shared.raw;
        let range = raw.range();
        let from = next.map_or(range.from, |next| next.max(range.from));
        if from >= range.next {
            return None;
        }
        let first_row = raw.offsets().partition_point(|offset| *offset < from.0);
        let range = OffsetRange { from, next: range.next };
        let batch = match &self.handling {
            Handling::Raw => self.raw(raw, range, first_row),
            Handling::Columns(plan) => {
                let decoded = shared.decoded.as_ref().expect("the topic has a route with columns");
                let (rows, row_ids) = self.taken(raw, decoded, first_row);
                let applied = plan.apply(raw, &rows, &row_ids);
                let mut dead: Vec<_> = decoded
                    .dead
                    .iter()
                    .filter(|(row, _)| self.takes(raw, *row as usize, first_row))
                    .map(|(row, why)| DeadLetter::of(raw, *row as usize, why))
                    .collect();
                dead.extend(
                    applied
                        .failed
                        .iter()
                        .map(|(row, why)| DeadLetter::of(raw, row_ids[*row] as usize, why)),
                );
                dead.sort_by_key(|letter| letter.offset);
                let written = applied.rows.num_rows();
                let progress = progress(range, raw.len() - first_row, written, dead.len());
                let tp = raw.tp().clone();
                SinkBatch { tp, progress, records: Records::Columns(applied.rows), dead }
            }
        };
        assert!(batch.progress.adds_up(), "{}: {:?} does not add up", self.route, batch.progress);
        Some(batch)
    }

    fn raw(&self, raw: &Arc<RawBatch>, range: OffsetRange, first_row: usize) -> SinkBatch {
        let rows: Vec<u32> = (first_row..raw.len())
            .filter(|row| self.takes(raw, *row, first_row))
            .map(to_u32)
            .collect();
        SinkBatch {
            tp: raw.tp().clone(),
            progress: progress(range, raw.len() - first_row, rows.len(), 0),
            records: Records::Raw { batch: Arc::clone(raw), rows },
            dead: Vec::new(),
        }
    }

    fn takes(&self, raw: &RawBatch, row: usize, first_row: usize) -> bool {
        row >= first_row
            && ((self.headers.is_empty() && !raw.has_headers())
                || self.headers.takes(&self.route, raw.headers(row)))
    }

    /// The decoded rows from `first_row` on that the header filter takes, without a copy when all
    /// are.
    fn taken(
        &self,
        raw: &RawBatch,
        decoded: &Decoded,
        first_row: usize,
    ) -> (RecordBatch, Vec<u32>) {
        let start = decoded.rows.partition_point(|row| (*row as usize) < first_row);
        let rest = decoded.batch.slice(start, decoded.batch.num_rows() - start);
        let ids = &decoded.rows[start..];
        let chosen: Vec<u32> = (0..ids.len())
            .filter(|i| self.takes(raw, ids[*i] as usize, first_row))
            .map(to_u32)
            .collect();
        if chosen.len() == ids.len() {
            return (rest, ids.to_vec());
        }
        let row_ids = chosen.iter().map(|i| ids[*i as usize]).collect();
        let rows = take_record_batch(&rest, &UInt32Array::from(chosen))
            .expect("indices are within the batch they were counted from");
        (rows, row_ids)
    }
}

fn progress(range: OffsetRange, records: usize, written: usize, dead: usize) -> Progress {
    let n = |count: usize| count as u64;
    Progress {
        range,
        written: n(written),
        filtered: n(records - written - dead),
        dead: n(dead),
        gaps: range.width() - n(records),
    }
}

fn to_u32(row: usize) -> u32 {
    u32::try_from(row).expect("batches are far below 2^32 rows")
}
