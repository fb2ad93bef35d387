//! The contract of an operator: batches and watermarks in, batches out, state in tables.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use millrace_plan::OperatorId;
use millrace_state::{KeyGroups, StateMemory, Table};

use crate::{Batch, JobError};

/// Event time in microseconds since the epoch. A watermark W promises: every row with a time
/// before W has been seen. A window `[start, end)` is complete when `W >= end`.
pub type Micros = i64;

/// The watermark before anything is known.
pub const NO_WATERMARK: Micros = Micros::MIN;

/// The watermark after the last row of a finite input.
pub const END_OF_TIME: Micros = Micros::MAX;

/// One instance of an operator.
///
/// Called by one task at a time; never waits. After a call that fails, the run restarts from its
/// last checkpoint.
pub trait Operator: Send {
    /// Takes rows from input `port`.
    fn process(&mut self, port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError>;

    /// Event time of all inputs has come to `watermark` (never goes back; [`END_OF_TIME`] at the
    /// end of a finite input). Returns the watermark of the output, sent on after `out`.
    fn watermark(&mut self, watermark: Micros, _out: &mut Output) -> Result<Micros, JobError> {
        Ok(watermark)
    }

    /// A checkpoint follows: whatever is held outside tables must go into them (or out) now.
    fn before_checkpoint(&mut self, _out: &mut Output) -> Result<(), JobError> {
        Ok(())
    }

    /// All tables of this instance, always in the same order.
    fn tables(&mut self) -> Vec<&mut Table> {
        Vec::new()
    }
}

/// What an operator makes in one call.
#[derive(Debug, Default)]
pub struct Output {
    /// Rows for the readers of this operator, in order.
    pub batches: Vec<Batch>,
    /// Rows that came too late, with the columns of the operator's input.
    pub late: Vec<RecordBatch>,
}

impl Output {
    /// Sends rows on; nothing if there are none.
    pub fn push(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.batches.push(batch);
        }
    }

    /// Counts rows that came too late, and keeps them if the job says so.
    pub fn push_late(&mut self, rows: RecordBatch) {
        if rows.num_rows() > 0 {
            self.late.push(rows);
        }
    }
}

/// What an operator is given when it is made.
#[derive(Debug)]
pub struct OperatorContext {
    /// Its state id.
    pub operator: OperatorId,
    /// Key groups of this instance.
    pub key_groups: KeyGroups,
    /// Watermark of its input at the checkpoint the run started from; [`NO_WATERMARK`] when new.
    pub watermark: Micros,
    /// Tables restored from that checkpoint.
    pub restored: HashMap<String, Table>,
    /// What all tables of the task may use together.
    pub memory: StateMemory,
}

impl OperatorContext {
    /// The operator's table `name`, with what the checkpoint held.
    pub fn table(&mut self, name: &str) -> Table {
        let restored = self.restored.remove(name);
        restored.unwrap_or_else(|| Table::with_memory(name, self.memory.clone()))
    }

    /// A context without history, for tests.
    pub fn fresh(operator: &str) -> Self {
        Self {
            operator: OperatorId(operator.to_owned()),
            key_groups: KeyGroups::ALL,
            watermark: NO_WATERMARK,
            restored: HashMap::new(),
            memory: StateMemory::unlimited(),
        }
    }
}
