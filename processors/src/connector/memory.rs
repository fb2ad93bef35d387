//! Sources and sinks in memory: for programs that hold their rows, and for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::{
    ConnectorError, Position, Prepared, Read, SinkCommitter, SinkFactory, SinkWriter,
    SourceFactory, SourceReader, SplitId,
};
use crate::Batch;

/// Rows in memory, in splits. Finite: it ends after the last row.
#[derive(Debug, Clone)]
pub struct MemorySource {
    splits: Arc<Vec<Vec<RecordBatch>>>,
}

impl MemorySource {
    /// One split.
    pub fn new(batches: Vec<RecordBatch>) -> Self {
        Self::partitioned(vec![batches])
    }

    /// Several splits, read in turns, a batch at a time.
    pub fn partitioned(splits: Vec<Vec<RecordBatch>>) -> Self {
        Self { splits: Arc::new(splits) }
    }
}

#[async_trait]
impl SourceFactory for MemorySource {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok((0..self.splits.len()).map(|split| SplitId(split.to_string())).collect())
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let mut cursors = Vec::new();
        for (split, position) in splits {
            let number = split.0.parse::<usize>().ok().filter(|n| *n < self.splits.len());
            let split = number
                .ok_or_else(|| ConnectorError::Rejected(format!("there is no split `{split}`")))?;
            let next = position.map_or(Ok(0), |position| position.0.parse()).map_err(|_| {
                ConnectorError::Rejected(format!("split {split}: the position is not a number"))
            })?;
            cursors.push(Cursor { split, next, ended: false });
        }
        let splits = Arc::clone(&self.splits);
        Ok(Box::new(MemoryReader { splits, columns: columns.to_vec(), cursors, turn: 0 }))
    }
}

#[derive(Debug)]
struct Cursor {
    split: usize,
    /// Next batch.
    next: usize,
    ended: bool,
}

#[derive(Debug)]
struct MemoryReader {
    splits: Arc<Vec<Vec<RecordBatch>>>,
    columns: Vec<usize>,
    cursors: Vec<Cursor>,
    turn: usize,
}

#[async_trait]
impl SourceReader for MemoryReader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let count = self.cursors.len();
        for _ in 0..count {
            let at = self.turn % count;
            self.turn += 1;
            let cursor = &mut self.cursors[at];
            if cursor.ended {
                continue;
            }
            let Some(batch) = self.splits[cursor.split].get(cursor.next) else {
                cursor.ended = true;
                return Ok(Read::End { split: at });
            };
            cursor.next += 1;
            let rows = batch
                .project(&self.columns)
                .map_err(|e| ConnectorError::Rejected(format!("rows in memory: {e}")))?;
            return Ok(Read::Rows { split: at, rows, position: Position(cursor.next.to_string()) });
        }
        // All have ended, and were said to have.
        std::future::pending().await
    }
}

/// Keeps rows in memory: visible once their checkpoint is complete. Clones share the rows.
#[derive(Debug, Clone, Default)]
pub struct MemorySink {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    generation: u64,
    next_ticket: u64,
    prepared: BTreeMap<u64, Vec<Batch>>,
    committed_through: u64,
    committed: Vec<Batch>,
}

impl MemorySink {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows of all complete checkpoints, in order of their commits.
    pub fn committed(&self) -> Vec<Batch> {
        self.lock().committed.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SinkFactory for MemorySink {
    async fn writer(&self, _: usize, _: u64) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(MemoryWriter { sink: self.clone(), pending: Vec::new() }))
    }

    async fn committer(&self, generation: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        let mut shared = self.lock();
        shared.generation = shared.generation.max(generation);
        Ok(Box::new(MemoryCommitter { sink: self.clone(), generation }))
    }
}

#[derive(Debug)]
struct MemoryWriter {
    sink: MemorySink,
    pending: Vec<Batch>,
}

#[async_trait]
impl SinkWriter for MemoryWriter {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        self.pending.push(batch);
        Ok(())
    }

    async fn prepare(&mut self, _: u64) -> Result<Prepared, ConnectorError> {
        if self.pending.is_empty() {
            return Ok(Prepared::Null);
        }
        let mut shared = self.sink.lock();
        shared.next_ticket += 1;
        let ticket = shared.next_ticket;
        shared.prepared.insert(ticket, std::mem::take(&mut self.pending));
        Ok(Prepared::from(ticket))
    }
}

#[derive(Debug)]
struct MemoryCommitter {
    sink: MemorySink,
    generation: u64,
}

#[async_trait]
impl SinkCommitter for MemoryCommitter {
    async fn commit(
        &mut self,
        checkpoint: u64,
        _positions: &[(SplitId, Position)],
        prepared: Vec<Prepared>,
    ) -> Result<(), ConnectorError> {
        let mut shared = self.sink.lock();
        if shared.generation > self.generation {
            return Err(ConnectorError::Fenced { sink: "memory".to_owned() });
        }
        if shared.committed_through >= checkpoint {
            return Ok(());
        }
        shared.committed_through = checkpoint;
        for ticket in prepared.iter().filter_map(Prepared::as_u64) {
            let batches = shared.prepared.remove(&ticket).unwrap_or_default();
            shared.committed.extend(batches);
        }
        Ok(())
    }
}
