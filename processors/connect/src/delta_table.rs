//! A Delta table as a sink: files before a checkpoint, one commit after it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use millrace_events::Epoch;
use millrace_processors::Batch;
use millrace_processors::connector::{
    ConnectorError, Position, Prepared, SinkCommitter, SinkFactory, SinkWriter, SplitId,
};
use millrace_sinks::{
    EpochCommitter, JobLedger, JobSink, PreparedFiles, StagedTable, TableSettings, Warehouse,
};

use crate::error::of_sink;
use crate::kafka;

/// Appends a job's rows to a table, each exactly once.
///
/// Job and sink name the place in the table's log where the job's generation and last checkpoint
/// stand; they must stay the same over the life of the job, and no two sinks may share them.
#[derive(Debug)]
pub struct DeltaTable {
    warehouse: Warehouse,
    sink: JobSink,
    settings: TableSettings,
}

impl DeltaTable {
    /// Sink `sink` of job `job`. `Rejected` when columns cannot be stored or names be used.
    pub fn new(
        warehouse: Warehouse,
        job: &str,
        sink: &str,
        settings: TableSettings,
    ) -> Result<Self, ConnectorError> {
        let sink = JobSink::new(job, sink).map_err(of_sink)?;
        warehouse.staged_table(settings.clone()).map_err(of_sink)?;
        Ok(Self { warehouse, sink, settings })
    }

    /// What the table knows of this sink. A job whose own checkpoints are gone cannot go on below
    /// this generation and checkpoint: the table takes it for an old run of itself.
    pub async fn ledger(&self) -> Result<JobLedger, ConnectorError> {
        let committer = self.warehouse.epoch_committer(self.sink.clone(), self.settings.clone());
        committer.map_err(of_sink)?.ledger().await.map_err(of_sink)
    }
}

#[async_trait]
impl SinkFactory for DeltaTable {
    async fn writer(
        &self,
        _instance: usize,
        generation: u64,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let rows = self.warehouse.staged_table(self.settings.clone()).map_err(of_sink)?;
        let table = self.settings.table.to_string();
        Ok(Box::new(Writer { rows, table, generation, bytes: 0 }))
    }

    async fn committer(&self, generation: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        let committer = self.warehouse.epoch_committer(self.sink.clone(), self.settings.clone());
        let mut committer = committer.map_err(of_sink)?;
        committer.claim(epoch(generation)).await.map_err(of_sink)?;
        Ok(Box::new(Committer {
            inner: committer,
            generation,
            table: self.settings.table.to_string(),
        }))
    }
}

fn epoch(generation: u64) -> Epoch {
    Epoch(i64::try_from(generation).unwrap_or(i64::MAX))
}

/// What a checkpoint holds of one writer.
#[derive(Serialize, Deserialize)]
struct Staged {
    /// The run that wrote the files. A committer of a later run restored them.
    generation: u64,
    files: PreparedFiles,
}

struct Writer {
    rows: StagedTable,
    table: String,
    generation: u64,
    bytes: u64,
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        if (0..batch.len()).any(|row| batch.kind(row).is_retraction()) {
            return Err(ConnectorError::Rejected(format!(
                "table `{}` only takes new rows, but this query changes rows it gave before; write \
                 it to a feed, or aggregate over a window",
                self.table
            )));
        }
        self.rows.write(&batch.rows).await.map_err(of_sink)
    }

    async fn prepare(&mut self, _checkpoint: u64) -> Result<Prepared, ConnectorError> {
        let files = self.rows.prepare().await.map_err(of_sink)?;
        self.bytes += files.bytes();
        if files.files() == 0 {
            return Ok(Prepared::Null);
        }
        let staged = Staged { generation: self.generation, files };
        serde_json::to_value(staged).map_err(|e| ConnectorError::Rejected(e.to_string()))
    }

    /// Files that were prepared.
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

struct Committer {
    inner: EpochCommitter,
    generation: u64,
    table: String,
}

#[async_trait]
impl SinkCommitter for Committer {
    async fn commit(
        &mut self,
        checkpoint: u64,
        positions: &[(SplitId, Position)],
        prepared: Vec<Prepared>,
    ) -> Result<(), ConnectorError> {
        let staged = prepared.into_iter().filter(|p| !p.is_null()).map(serde_json::from_value);
        let staged: Vec<Staged> = staged.collect::<Result<_, _>>().map_err(|e| {
            let table = &self.table;
            ConnectorError::Rejected(format!(
                "checkpoint {checkpoint} does not say which files it has for table `{table}`: {e}"
            ))
        })?;
        // A checkpoint of an earlier run may have been committed, and others after it; one of this
        // run must be new to the table.
        let restored = staged.iter().any(|s| s.generation < self.generation);
        let files: Vec<_> = staged.into_iter().map(|s| s.files).collect();
        let offsets: Vec<_> = positions.iter().filter_map(kafka::offset).collect();
        let committed = if restored {
            self.inner.recommit(checkpoint, &offsets, &files).await
        } else {
            self.inner.commit(checkpoint, &offsets, &files).await
        };
        let committed = committed.map_err(of_sink)?;
        tracing::debug!(table = self.table, checkpoint, ?committed, "checkpoint committed");
        Ok(())
    }
}
