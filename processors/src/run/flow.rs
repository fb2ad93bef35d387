//! What flows into a run and out of it: numbers of each source, of its splits, and of each sink.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use serde::Serialize;

use millrace_plan::OperatorId;

use crate::connector::{SplitId, SplitMeter};
use crate::{Micros, NO_WATERMARK};

/// Numbers of one instance of a source.
#[derive(Debug)]
pub(crate) struct SourceGauge {
    source: OperatorId,
    splits: Vec<SplitGauge>,
}

#[derive(Debug)]
struct SplitGauge {
    id: SplitId,
    rows: AtomicU64,
    late: AtomicU64,
    watermark: AtomicI64,
    idle: AtomicBool,
    meter: Option<Arc<SplitMeter>>,
}

impl SourceGauge {
    /// For these splits; `meters` are the reader's, one each or none at all.
    pub(crate) fn new<'a>(
        source: OperatorId,
        splits: impl Iterator<Item = &'a SplitId>,
        meters: &[Arc<SplitMeter>],
    ) -> Arc<Self> {
        let gauge = |(at, id): (usize, &SplitId)| SplitGauge {
            id: id.clone(),
            rows: AtomicU64::new(0),
            late: AtomicU64::new(0),
            watermark: AtomicI64::new(NO_WATERMARK),
            idle: AtomicBool::new(false),
            meter: meters.get(at).cloned(),
        };
        Arc::new(Self { source, splits: splits.enumerate().map(gauge).collect() })
    }

    /// Rows of a split were read.
    pub(crate) fn read(&self, split: usize, rows: usize) {
        self.splits[split].rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.splits[split].idle.store(false, Ordering::Relaxed);
    }

    /// Rows of a split were behind its own watermark.
    pub(crate) fn late(&self, split: usize, rows: u64) {
        self.splits[split].late.fetch_add(rows, Ordering::Relaxed);
    }

    /// The watermark of a split.
    pub(crate) fn watermark(&self, split: usize, watermark: Micros) {
        self.splits[split].watermark.store(watermark, Ordering::Relaxed);
    }

    /// A split is idle until it has rows again.
    pub(crate) fn idle(&self, split: usize) {
        self.splits[split].idle.store(true, Ordering::Relaxed);
    }

    /// Adds its splits to those of the other instances.
    pub(crate) fn add_to(&self, sources: &mut BTreeMap<String, SourceStatus>) {
        let source = sources.entry(self.source.to_string()).or_default();
        source
            .splits
            .extend(self.splits.iter().map(|split| (split.id.to_string(), split.status())));
    }
}

impl SplitGauge {
    fn status(&self) -> SplitStatus {
        let meter = self.meter.as_deref();
        let watermark = self.watermark.load(Ordering::Relaxed);
        SplitStatus {
            rows_in: self.rows.load(Ordering::Relaxed),
            bytes_in: meter.map_or(0, SplitMeter::bytes),
            dead_letters: meter.map_or(0, SplitMeter::dead_letters),
            late: self.late.load(Ordering::Relaxed),
            lag: meter.and_then(SplitMeter::lag),
            watermark: (watermark != NO_WATERMARK).then_some(watermark),
            idle: self.idle.load(Ordering::Relaxed),
        }
    }
}

/// Numbers of one instance of a sink.
#[derive(Debug)]
pub(crate) struct SinkGauge {
    sink: String,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl SinkGauge {
    pub(crate) fn new(sink: &str) -> Arc<Self> {
        let (rows, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { sink: sink.to_owned(), rows, bytes })
    }

    /// Rows were written.
    pub(crate) fn written(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// So many bytes were written so far.
    pub(crate) fn bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Adds its numbers to those of the other instances.
    pub(crate) fn add_to(&self, sinks: &mut BTreeMap<String, SinkStatus>) {
        let sink = sinks.entry(self.sink.clone()).or_default();
        sink.rows_out += self.rows.load(Ordering::Relaxed);
        sink.bytes_out += self.bytes.load(Ordering::Relaxed);
    }
}

/// One split of a source. Counts are since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct SplitStatus {
    /// Rows given to the job.
    pub rows_in: u64,
    /// Bytes these and the dead letters took at the source; 0 if the source does not tell.
    pub bytes_in: u64,
    /// Rows that could not be decoded.
    pub dead_letters: u64,
    /// Rows behind the split's own watermark.
    pub late: u64,
    /// Rows that are there and were not read; `None` if the source does not tell. Of a log with
    /// gaps, offsets.
    pub lag: Option<u64>,
    /// Its watermark; `None` before the first.
    pub watermark: Option<Micros>,
    /// Whether it is left out of the source's watermark.
    pub idle: bool,
}

/// One scan of a source, all instances together. Counts are since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct SourceStatus {
    /// Rows given to the job.
    pub rows_in: u64,
    /// Bytes these and the dead letters took at the source; 0 if the source does not tell.
    pub bytes_in: u64,
    /// Rows that could not be decoded.
    pub dead_letters: u64,
    /// Rows that are there and were not read; `None` unless every split tells.
    pub lag: Option<u64>,
    /// Least watermark of the splits that are not idle, or the greatest if all are; `None` before
    /// every one of these has one.
    pub watermark: Option<Micros>,
    /// By split.
    pub splits: BTreeMap<String, SplitStatus>,
}

impl SourceStatus {
    /// Sums up the splits.
    pub(crate) fn sum_up(&mut self) {
        let splits = || self.splits.values();
        let awake = || splits().filter(|split| !split.idle);
        // `None` is less than any watermark.
        let watermark = awake().map(|split| split.watermark).min();
        let watermark = watermark.or_else(|| splits().map(|split| split.watermark).max());
        let (rows, bytes, dead) = splits().fold((0, 0, 0), |sum, split| {
            (sum.0 + split.rows_in, sum.1 + split.bytes_in, sum.2 + split.dead_letters)
        });
        let lag = splits().map(|split| split.lag).sum();
        (self.rows_in, self.bytes_in, self.dead_letters) = (rows, bytes, dead);
        (self.lag, self.watermark) = (lag, watermark.flatten());
    }
}

/// One sink, all writers together. Counts are since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct SinkStatus {
    /// Rows written, visible or not.
    pub rows_out: u64,
    /// Bytes these take at the destination, as far as they are there; 0 if it does not tell.
    pub bytes_out: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(splits: &[(Option<Micros>, bool, Option<u64>)]) -> SourceStatus {
        let status = |&(watermark, idle, lag)| SplitStatus {
            rows_in: 2,
            bytes_in: 30,
            dead_letters: 1,
            watermark,
            idle,
            lag,
            ..SplitStatus::default()
        };
        let splits = splits.iter().map(status).enumerate();
        let splits = splits.map(|(number, split)| (number.to_string(), split)).collect();
        let mut source = SourceStatus { splits, ..SourceStatus::default() };
        source.sum_up();
        source
    }

    #[test]
    fn the_slowest_split_that_is_not_idle_sets_the_watermark() {
        for (splits, watermark) in [
            (&[(Some(5), false), (Some(3), true), (Some(9), false)][..], Some(5)),
            (&[(Some(5), true), (Some(3), true)], Some(5)),
            (&[(Some(5), false), (None, false)], None),
            (&[(Some(5), false), (None, true)], Some(5)),
            (&[], None),
        ] {
            let all: Vec<_> = splits.iter().map(|(time, idle)| (*time, *idle, None)).collect();
            assert_eq!(source(&all).watermark, watermark, "{splits:?}");
        }
    }

    #[test]
    fn counts_add_up_and_a_lag_is_known_whole_or_not_at_all() {
        let known = source(&[(None, false, Some(4)), (None, false, Some(3))]);
        assert_eq!((known.rows_in, known.bytes_in, known.dead_letters), (4, 60, 2));
        assert_eq!(known.lag, Some(7));
        assert_eq!(source(&[(None, false, Some(4)), (None, false, None)]).lag, None);
    }
}
