//! The contracts of sources and sinks.
//!
//! A source is dealt in *splits* (a partition of a topic, a file) that resume from a position kept
//! in the checkpoint. A sink writes in two phases: every writer prepares before the checkpoint is
//! complete, one committer commits after it.

mod error;
mod files;
mod memory;
mod meter;

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Batch;

pub use error::ConnectorError;
pub use files::{FileFormat, FileSink, FileSource, UnknownFileFormat};
pub use memory::{MemorySink, MemorySource};
pub use meter::SplitMeter;

/// Name of a split, stable for ever (`topic/3`, a path).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitId(pub String);

impl fmt::Display for SplitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where to go on in a split, in the source's own notation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub String);

/// A stream or table, before it is read.
#[async_trait]
pub trait SourceFactory: Send + Sync {
    /// Its splits, in the same order each time.
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError>;

    /// Reads some splits, each from a position or from its beginning. `columns` are those to
    /// return, ascending, numbered in the source's schema. Positions are for reading only: the
    /// source never commits them anywhere as truth.
    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError>;

    /// A checkpoint with these positions is complete (to show consumer lag; may be ignored).
    async fn completed(&self, _positions: &[(SplitId, Position)]) {}
}

/// Reads splits.
#[async_trait]
pub trait SourceReader: Send {
    /// The next rows of any split. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Read, ConnectorError>;

    /// Numbers of the splits, in the order in which they were given to `open`; none if the reader
    /// keeps none. Asked for once, before the first row.
    fn meters(&self) -> Vec<Arc<SplitMeter>> {
        Vec::new()
    }
}

/// What a source says.
#[derive(Debug)]
pub enum Read {
    /// Rows of split number `split` (as given to `open`), and where to resume after them.
    Rows {
        /// Which split.
        split: usize,
        /// The rows: the asked columns. May be empty (all were filtered or dead-lettered).
        rows: RecordBatch,
        /// Resume here once these rows are in a checkpoint.
        position: Position,
    },
    /// The split has nothing new and was told so by the source after its idle time.
    Idle {
        /// Which split.
        split: usize,
    },
    /// The split has ended for good.
    End {
        /// Which split.
        split: usize,
    },
}

/// A destination, before it is written.
#[async_trait]
pub trait SinkFactory: Send + Sync {
    /// The writer of one instance in run `generation` of the job.
    async fn writer(
        &self,
        instance: usize,
        generation: u64,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError>;

    /// The one committer, which fences off those of earlier generations.
    async fn committer(&self, generation: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError>;
}

/// Writes the rows of one instance.
#[async_trait]
pub trait SinkWriter: Send {
    /// Takes rows. Waits while its memory is used up.
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError>;

    /// Everything written so far is durable, if not yet visible; the description is stored in the
    /// checkpoint. `null` when there is nothing to commit.
    async fn prepare(&mut self, checkpoint: u64) -> Result<Prepared, ConnectorError>;

    /// Bytes at the destination that this writer has written so far, for those who watch the job.
    fn bytes(&self) -> u64 {
        0
    }
}

/// What a writer prepared, as the checkpoint stores it.
pub type Prepared = serde_json::Value;

/// Makes prepared rows visible.
#[async_trait]
pub trait SinkCommitter: Send {
    /// Commits what was prepared for a complete checkpoint, and may keep with it where the job's
    /// sources go on (`positions`), so that the destination can say what it holds. Called again
    /// after a restart with the same arguments: must not commit twice.
    async fn commit(
        &mut self,
        checkpoint: u64,
        positions: &[(SplitId, Position)],
        prepared: Vec<Prepared>,
    ) -> Result<(), ConnectorError>;
}
