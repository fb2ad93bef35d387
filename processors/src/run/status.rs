//! What a run shows of itself: counts, watermarks, sizes, checkpoints.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use millrace_plan::OperatorId;

use super::chain::{Chain, Counts};
use super::flow::{SinkGauge, SinkStatus, SourceGauge, SourceStatus};
use crate::{Micros, NO_WATERMARK};

/// Numbers of one task, written by it and read by whoever asks.
#[derive(Debug)]
pub(crate) struct TaskGauge {
    operators: Vec<OperatorGauge>,
}

#[derive(Debug)]
struct OperatorGauge {
    id: OperatorId,
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    late: AtomicU64,
    state_bytes: AtomicU64,
    watermark: AtomicI64,
}

impl TaskGauge {
    /// For a task of these operators; a sink is its only operator.
    pub(crate) fn new(operators: Vec<OperatorId>) -> Arc<Self> {
        let gauge = |id| OperatorGauge {
            id,
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            late: AtomicU64::new(0),
            state_bytes: AtomicU64::new(0),
            watermark: AtomicI64::new(NO_WATERMARK),
        };
        Arc::new(Self { operators: operators.into_iter().map(gauge).collect() })
    }

    /// Takes over the numbers of a chain.
    pub(crate) fn show(&self, chain: &mut Chain) {
        for (gauge, seen) in self.operators.iter().zip(chain.seen()) {
            let Counts { rows_in, rows_out, late } = seen.counts;
            gauge.rows_in.store(rows_in, Ordering::Relaxed);
            gauge.rows_out.store(rows_out, Ordering::Relaxed);
            gauge.late.store(late, Ordering::Relaxed);
            gauge.state_bytes.store(seen.state_bytes, Ordering::Relaxed);
            gauge.watermark.store(seen.watermark, Ordering::Relaxed);
        }
    }

    /// A sink wrote rows.
    pub(crate) fn written(&self, rows: usize) {
        self.operators[0].rows_in.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// A sink has seen a watermark.
    pub(crate) fn watermark(&self, watermark: Micros) {
        self.operators[0].watermark.fetch_max(watermark, Ordering::Relaxed);
    }
}

/// One operator, all instances together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct OperatorStatus {
    /// Rows taken in since the run began.
    pub rows_in: u64,
    /// Rows given out.
    pub rows_out: u64,
    /// Rows left out because they came after their window had closed.
    pub late: u64,
    /// Bytes of state in memory.
    pub state_bytes: u64,
    /// Least watermark of its instances; `None` before the first.
    pub watermark: Option<Micros>,
}

/// The newest complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct CheckpointStatus {
    /// Its number; 0 before the first.
    pub number: u64,
    /// From barrier to manifest, in microseconds.
    pub duration_us: u64,
    /// The longest that rows of a task had to wait for it, in microseconds.
    pub pause_us: u64,
    /// Bytes this checkpoint added.
    pub written_bytes: u64,
    /// Bytes it takes to restore it.
    pub total_bytes: u64,
    /// When it was complete, milliseconds since the epoch; 0 before the first.
    pub completed_ms: i64,
}

/// A run at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct JobStatus {
    /// Generation of the run.
    pub generation: u64,
    /// By operator id.
    pub operators: BTreeMap<String, OperatorStatus>,
    /// What comes in, by operator id of the source.
    pub sources: BTreeMap<String, SourceStatus>,
    /// What goes out, by name of the sink.
    pub sinks: BTreeMap<String, SinkStatus>,
    /// Rows behind the watermark of their own split, by split.
    pub late_by_split: BTreeMap<String, u64>,
    /// The newest checkpoint.
    pub checkpoint: CheckpointStatus,
}

/// Collects the numbers of all tasks.
#[derive(Debug, Default)]
pub(crate) struct StatusBoard {
    pub(crate) generation: u64,
    pub(crate) tasks: Vec<Arc<TaskGauge>>,
    pub(crate) sources: Vec<Arc<SourceGauge>>,
    pub(crate) sinks: Vec<Arc<SinkGauge>>,
    pub(crate) checkpoint: Mutex<CheckpointStatus>,
}

impl StatusBoard {
    pub(crate) fn show_checkpoint(&self, status: CheckpointStatus) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(crate) fn status(&self) -> JobStatus {
        let checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut status =
            JobStatus { generation: self.generation, checkpoint, ..JobStatus::default() };
        for task in &self.tasks {
            for gauge in &task.operators {
                add(status.operators.entry(gauge.id.to_string()).or_default(), gauge);
            }
        }
        for source in &self.sources {
            source.add_to(&mut status.sources);
        }
        for sink in &self.sinks {
            sink.add_to(&mut status.sinks);
        }
        for source in status.sources.values_mut() {
            source.sum_up();
            for (split, seen) in source.splits.iter().filter(|(_, seen)| seen.late > 0) {
                *status.late_by_split.entry(split.clone()).or_default() += seen.late;
            }
        }
        status
    }
}

fn add(status: &mut OperatorStatus, gauge: &OperatorGauge) {
    status.rows_in += gauge.rows_in.load(Ordering::Relaxed);
    status.rows_out += gauge.rows_out.load(Ordering::Relaxed);
    status.late += gauge.late.load(Ordering::Relaxed);
    status.state_bytes += gauge.state_bytes.load(Ordering::Relaxed);
    let watermark = gauge.watermark.load(Ordering::Relaxed);
    if watermark != NO_WATERMARK {
        status.watermark = Some(status.watermark.map_or(watermark, |known| known.min(watermark)));
    }
}
