//! Makes the prepared files of a job's checkpoints part of a table, each checkpoint once.

use std::sync::Arc;

use futures::{StreamExt, stream};
use object_store::path::Path;
use uuid::Uuid;

use millrace_events::{Epoch, Offset, Probe, Step as Named, TopicPartition};

use super::actions::Add;
use super::commit::Commit;
use super::job_ledger::{JobLedger, JobSink};
use super::job_step::{JobStep, Step, Stepped};
use super::log::TableLog;
use super::schema::{TableShape, rejected};
use crate::{PreparedFiles, SinkError};

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The files are part of the table, by this call as far as it can tell.
    Now,
    /// They were already.
    Already,
    /// There was nothing to commit; the table was not touched.
    Nothing,
}

/// The one committer of a sink of a job.
///
/// A run of the job claims with its generation, which must be higher than that of every run before
/// and belong to it alone. From then on older runs cannot commit. The order of one checkpoint is:
/// every writer prepares; the checkpoint with all [`PreparedFiles`] becomes durable; `commit`. A
/// restart claims, gives the restored checkpoint to `recommit`, and numbers its own checkpoints
/// above both the restored one and what `claim` returned.
///
/// A commit that fails says nothing about the files: while the checkpoint that holds them may be
/// restored, somebody will commit them. Only [`discard`](Self::discard) deletes them.
#[derive(Debug)]
pub struct EpochCommitter {
    sink: JobSink,
    shape: TableShape,
    log: TableLog,
    probe: Arc<dyn Probe>,
    writer: String,
    generation: Option<Epoch>,
}

impl EpochCommitter {
    pub(crate) fn new(
        sink: JobSink,
        shape: TableShape,
        log: TableLog,
        probe: Arc<dyn Probe>,
    ) -> Self {
        let writer = Uuid::now_v7().to_string();
        Self { sink, shape, log, probe, writer, generation: None }
    }

    /// What the table knows of this sink now. A job that lost its own state takes a generation and
    /// checkpoint numbers above these.
    pub async fn ledger(&mut self) -> Result<JobLedger, SinkError> {
        self.log.refresh(None).await?;
        Ok(self.log.state.as_ref().map(|s| self.sink.read(&s.txns)).unwrap_or_default())
    }

    /// Makes `generation` the run that may commit, and returns the last checkpoint in the table.
    /// Creates the table or adds columns to it. Claiming again is allowed.
    ///
    /// `Superseded` when a newer run claimed already.
    pub async fn claim(&mut self, generation: Epoch) -> Result<Option<u64>, SinkError> {
        self.generation = None;
        // A run that claims again must hear of a newer one even if nothing is left to write.
        self.log.refresh(None).await?;
        let stepped = self.step(generation, Step::Claim, &[], &[]).await?;
        self.generation = Some(generation);
        Ok(stepped.ledger.checkpoint)
    }

    /// Makes the files of the new checkpoint `checkpoint` part of the table, in one commit with
    /// `offsets`, the next offset of every partition the checkpoint covers. Call it again after a
    /// `Retry`.
    ///
    /// `Superseded` when a newer run claimed: nothing was committed. `Rejected` when the table
    /// holds this or a later checkpoint with other files.
    pub async fn commit(
        &mut self,
        checkpoint: u64,
        offsets: &[(TopicPartition, Offset)],
        files: &[PreparedFiles],
    ) -> Result<Committed, SinkError> {
        self.settle(checkpoint, false, offsets, files).await
    }

    /// [`commit`](Self::commit) for a checkpoint that was restored: the table may be past it.
    pub async fn recommit(
        &mut self,
        checkpoint: u64,
        offsets: &[(TopicPartition, Offset)],
        files: &[PreparedFiles],
    ) -> Result<Committed, SinkError> {
        self.settle(checkpoint, true, offsets, files).await
    }

    async fn settle(
        &mut self,
        checkpoint: u64,
        restored: bool,
        offsets: &[(TopicPartition, Offset)],
        files: &[PreparedFiles],
    ) -> Result<Committed, SinkError> {
        let Some(generation) = self.generation else {
            let what = format!("commit checkpoint {checkpoint} for {}", self.sink);
            return Err(SinkError::retry(what, "the sink is not claimed"));
        };
        let adds = self.adds(files)?;
        if adds.is_empty() && offsets.is_empty() {
            return Ok(Committed::Nothing);
        }
        let step = Step::Commit { checkpoint, files: fingerprint(&adds), restored };
        self.probe.reached(Named::BeforeCommit);
        let stepped = self.step(generation, step, offsets, &adds).await?;
        if !stepped.by_us {
            return Ok(Committed::Already);
        }
        self.probe.reached(Named::AfterCommitBeforeAck);
        let labels = [
            ("job", self.sink.job().to_owned()),
            ("table", self.log.place.table.as_str().to_owned()),
        ];
        metrics::counter!("millrace_table_files_total", &labels).increment(adds.len() as u64);
        metrics::counter!("millrace_table_bytes_total", &labels)
            .increment(adds.iter().map(|add| add.size).sum());
        Ok(Committed::Now)
    }

    fn adds(&self, files: &[PreparedFiles]) -> Result<Vec<Add>, SinkError> {
        let table = &self.log.place.table;
        if let Some(other) = files.iter().find(|f| f.table != *table) {
            return Err(rejected(table, format!("these files are of table `{}`", other.table)));
        }
        Ok(files.iter().flat_map(|f| f.adds.iter().cloned()).collect())
    }

    async fn step(
        &mut self,
        ours: Epoch,
        step: Step,
        offsets: &[(TopicPartition, Offset)],
        adds: &[Add],
    ) -> Result<Stepped, SinkError> {
        let change = JobStep { sink: &self.sink, ours, step, offsets };
        let commit = Commit { change, adds, shape: &self.shape, writer: &self.writer };
        Ok(self.log.commit(&commit).await?)
    }

    /// Deletes files that no checkpoint holds and no commit was tried with, as far as possible:
    /// what writers prepared for a checkpoint that was given up.
    pub async fn discard(&self, files: &[PreparedFiles]) {
        // In the log a path is a URL: its own escapes are escaped once more.
        let path = |add: &Add| Path::parse(add.path.replace("%25", "%")).ok();
        let paths: Vec<_> = files.iter().flat_map(|f| &f.adds).filter_map(path).map(Ok).collect();
        let mut deleted = self.log.place.store.delete_stream(stream::iter(paths).boxed());
        while let Some(result) = deleted.next().await {
            if let Err(error) = result
                && !matches!(error, object_store::Error::NotFound { .. })
            {
                let table = &self.log.place.table;
                tracing::debug!(%table, %error, "an orphan file stays behind");
            }
        }
    }
}

/// The same for the same files, in whatever order; their names are unique.
fn fingerprint(adds: &[Add]) -> i64 {
    let mut paths: Vec<_> = adds.iter().map(|add| add.path.as_str()).collect();
    paths.sort_unstable();
    let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, paths.join("\n").as_bytes());
    i64::try_from(digest.as_u64_pair().0 >> 1).expect("63 bits")
}
