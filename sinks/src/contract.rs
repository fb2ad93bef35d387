//! The one small contract every sink fulfils.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use millrace_events::{DeadLetter, Epoch, Offset, OffsetRange, RawBatch, TopicPartition};

/// What a destination knows of one (route, partition). It commits in the same breath as the data.
///
/// `next − first = written + filtered + dead + gaps` at every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Epoch of the writer that owns the partition.
    pub epoch: Epoch,
    /// First offset ever accounted for; `None` before the first commit.
    pub first: Option<Offset>,
    /// First offset not accounted for; reading resumes here. `None` before the first commit.
    pub next: Option<Offset>,
    /// Records written to the destination.
    pub written: u64,
    /// Records the route's filter left out.
    pub filtered: u64,
    /// Records in the dead-letter table.
    pub dead: u64,
    /// Offsets the log does not hold (control records, compaction, retention).
    pub gaps: u64,
}

impl Ledger {
    /// Whether every offset is accounted for exactly once.
    pub fn adds_up(&self) -> bool {
        let width = match (self.first, self.next) {
            (Some(first), Some(next)) => OffsetRange { from: first, next }.width(),
            _ => 0,
        };
        width == self.written + self.filtered + self.dead + self.gaps
    }

    /// The ledger after `progress`, which must start where this one ends.
    #[must_use]
    pub fn after(&self, progress: &Progress) -> Self {
        debug_assert!(
            self.next.is_none_or(|next| next == progress.range.from),
            "ranges are contiguous"
        );
        Self {
            epoch: self.epoch,
            first: self.first.or(Some(progress.range.from)),
            next: Some(progress.range.next),
            written: self.written + progress.written,
            filtered: self.filtered + progress.filtered,
            dead: self.dead + progress.dead,
            gaps: self.gaps + progress.gaps,
        }
    }
}

/// What happened to the offsets of one range of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The offsets accounted for.
    pub range: OffsetRange,
    /// Rows handed to the destination.
    pub written: u64,
    /// Rows the filter left out.
    pub filtered: u64,
    /// Rows dead-lettered.
    pub dead: u64,
    /// Offsets without a record.
    pub gaps: u64,
}

impl Progress {
    /// Whether the counts cover the range exactly.
    pub fn adds_up(&self) -> bool {
        self.range.width() == self.written + self.filtered + self.dead + self.gaps
    }

    /// This and the directly following `later` as one.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        debug_assert!(self.range.next == later.range.from, "ranges are contiguous");
        Self {
            range: OffsetRange { from: self.range.from, next: later.range.next },
            written: self.written + later.written,
            filtered: self.filtered + later.filtered,
            dead: self.dead + later.dead,
            gaps: self.gaps + later.gaps,
        }
    }
}

/// Rows of a batch in the form the route produced them.
#[derive(Debug, Clone)]
pub enum Records {
    /// Columns, after filter and projection.
    Columns(RecordBatch),
    /// Chosen rows of the batch as it came from the log, byte for byte.
    Raw {
        /// The records.
        batch: Arc<RawBatch>,
        /// Rows to deliver, ascending.
        rows: Vec<u32>,
    },
}

impl Records {
    /// Number of rows to deliver.
    pub fn len(&self) -> usize {
        match self {
            Self::Columns(batch) => batch.num_rows(),
            Self::Raw { rows, .. } => rows.len(),
        }
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a route hands to its sink: rows, and what became of every offset of the range.
#[derive(Debug, Clone)]
pub struct SinkBatch {
    /// Where the rows came from.
    pub tp: TopicPartition,
    /// The offsets covered and their fate; `progress.written == records.len()`.
    pub progress: Progress,
    /// Rows to deliver, in offset order.
    pub records: Records,
    /// Rows that could not be; `progress.dead == dead.len()`.
    pub dead: Vec<DeadLetter>,
}

/// Why a sink refused, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The destination failed for now. Data written since the last commit may be lost from the
    /// sink: `claim` again and feed from the ledger.
    #[error("{what}: {source}")]
    Retry {
        /// What was being done, on what.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another writer claimed the partition. Nothing of this writer was or will be committed.
    #[error("{tp} of route `{route}` belongs to a newer writer (epoch {theirs}, ours {ours})")]
    Fenced {
        /// The route.
        route: String,
        /// The partition.
        tp: TopicPartition,
        /// This writer's epoch.
        ours: Epoch,
        /// The epoch found at the destination.
        theirs: Epoch,
    },
    /// A newer run of the job owns the sink. Nothing of this run was or will be committed, except
    /// what a checkpoint of it holds: the newer run commits that.
    #[error(
        "sink `{sink}` of job `{job}` belongs to a newer run (generation {theirs}, ours {ours})"
    )]
    Superseded {
        /// The job.
        job: String,
        /// The sink.
        sink: String,
        /// This run's generation.
        ours: Epoch,
        /// The generation found at the destination.
        theirs: Epoch,
    },
    /// The destination will not take this until somebody changes something.
    #[error("{what}")]
    Rejected {
        /// What is wrong and what to do.
        what: String,
    },
}

impl SinkError {
    /// A failure worth retrying.
    pub fn retry(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Retry { what: what.into(), source: source.into() }
    }
}

/// A destination of one route.
///
/// The owner calls `claim` for the partitions it was given, `write` with contiguous ranges in
/// offset order per partition, and `commit` when its rolling policy says so. After `Err` from
/// `write` or `commit` the sink holds nothing uncommitted: the owner claims again and feeds from
/// the ledger.
#[async_trait]
pub trait Sink: Send {
    /// Becomes the writer of `partitions`, fencing off whoever was, and says where each stands.
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError>;

    /// Stops writing `partitions`. Everything uncommitted of them must have been committed or
    /// dropped.
    async fn release(&mut self, partitions: &[TopicPartition]);

    /// Takes rows. They are durable only after `commit`. Waits while the sink's memory is used up.
    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError>;

    /// Bytes written since the last commit, as the destination will count them (estimate).
    fn pending_bytes(&self) -> usize;

    /// Makes everything written so far durable together with its offsets; returns the new ledgers
    /// of the partitions that moved.
    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError>;

    /// Drops everything since the last commit.
    async fn abort(&mut self);
}
