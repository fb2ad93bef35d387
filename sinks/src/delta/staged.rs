//! Rows that become part of a table later: files closed before a checkpoint, committed after it.

use serde::{Deserialize, Serialize};

use arrow::array::RecordBatch;
use millrace_events::TableName;

use super::actions::Add;
use super::schema::TableShape;
use super::table_writer::TableWriter;
use crate::SinkError;

/// Complete files on the store that no reader of the table sees yet. Keep them with the checkpoint,
/// as JSON for example, and give them to [`EpochCommitter::commit`](crate::EpochCommitter::commit).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedFiles {
    pub(crate) table: TableName,
    rows: u64,
    pub(crate) adds: Vec<Add>,
}

impl PreparedFiles {
    /// Rows in the files.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Sizes of the files together.
    pub fn bytes(&self) -> u64 {
        self.adds.iter().map(|add| add.size).sum()
    }

    /// Number of files.
    pub fn files(&self) -> usize {
        self.adds.len()
    }
}

/// Writes rows to files that become part of a table only by an
/// [`EpochCommitter`](crate::EpochCommitter). Any number of them write one table at once.
///
/// After an error, and after a call that was cancelled, rows are missing: every call but
/// [`abort`](Self::abort) fails from then on. Dropping it stops uploads; what is on the store
/// already stays behind unless `abort` was called.
#[derive(Debug)]
pub struct StagedTable {
    table: TableName,
    writer: TableWriter,
    rows: u64,
    broken: bool,
}

impl StagedTable {
    pub(crate) fn new(table: TableName, writer: TableWriter) -> Self {
        Self { table, writer, rows: 0, broken: false }
    }

    pub(crate) fn shape(&self) -> Result<&TableShape, SinkError> {
        self.writer.shape()
    }

    /// Adds rows. Waits while memory is used up.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<(), SinkError> {
        self.begin()?;
        self.writer.write(rows).await?;
        self.rows += rows.num_rows() as u64;
        self.broken = false;
        Ok(())
    }

    /// Bytes written since the last `prepare`, as files hold them (estimate).
    pub fn pending_bytes(&self) -> usize {
        self.writer.files.bytes()
    }

    /// Completes the files of everything written since the last call and hands them over: they are
    /// the caller's to commit or to discard.
    pub async fn prepare(&mut self) -> Result<PreparedFiles, SinkError> {
        self.begin()?;
        let finished = self.writer.files.finish().await?;
        self.broken = false;
        let rows = std::mem::take(&mut self.rows);
        let mut adds = finished.adds;
        // Uploads end in any order; the description of one checkpoint should not depend on it.
        adds.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(PreparedFiles { table: self.table.clone(), rows, adds })
    }

    /// Drops everything since the last `prepare`, on the store too as far as possible.
    pub async fn abort(&mut self) {
        self.writer.files.abort().await;
        self.rows = 0;
        self.broken = false;
    }

    /// Broken until the call that begins here succeeds.
    fn begin(&mut self) -> Result<(), SinkError> {
        if std::mem::replace(&mut self.broken, true) {
            let what = format!("write to table `{}`", self.table);
            return Err(SinkError::retry(what, "an earlier call failed or was cancelled"));
        }
        Ok(())
    }
}
