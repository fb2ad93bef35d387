//! The table sink: rows to data files, files and ledgers to the table in one commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use millrace_events::{Probe, Step, TopicPartition};

use super::actions::Add;
use super::commit::{Commit, NotCommitted};
use super::ledgers::LedgerKey;
use super::log::TableLog;
use super::schema::rejected;
use super::settings::TableSinkSettings;
use super::table_writer::TableWriter;
use super::want::{Ledgers, Want};
use crate::{Ledger, Progress, Records, Sink, SinkBatch, SinkError};

/// Appends one route's rows to one table.
#[derive(Debug)]
pub(crate) struct TableSink {
    settings: TableSinkSettings,
    probe: Arc<dyn Probe>,
    writer: String,
    log: TableLog,
    rows: TableWriter,
    /// Partitions this writer may write. Emptied before anything that can fail half-way, also by
    /// being cancelled, so that a failed writer must claim again.
    owned: HashMap<TopicPartition, Ledger>,
    pending: BTreeMap<TopicPartition, Progress>,
}

impl TableSink {
    pub(crate) fn new(settings: TableSinkSettings, log: TableLog, probe: Arc<dyn Probe>) -> Self {
        let rows = TableWriter::new(settings.table_settings(), &log, probe.clone());
        Self {
            settings,
            probe,
            writer: Uuid::now_v7().to_string(),
            log,
            rows,
            owned: HashMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Drops everything and owns nothing: the owner must claim again.
    async fn fail(&mut self) {
        self.owned.clear();
        self.pending.clear();
        self.rows.files.abort().await;
    }

    /// Whether `batch` may be written now.
    fn check(
        &self,
        owned: &HashMap<TopicPartition, Ledger>,
        batch: &SinkBatch,
    ) -> Result<(), SinkError> {
        let what = || format!("write {} to table `{}`", batch.tp, self.settings.table);
        let Some(ledger) = owned.get(&batch.tp) else {
            return Err(SinkError::retry(what(), "the partition is not claimed"));
        };
        debug_assert!(batch.progress.adds_up(), "{}: {:?}", batch.tp, batch.progress);
        debug_assert_eq!(batch.progress.written, batch.records.len() as u64);
        let expected = self.pending.get(&batch.tp).map(|p| p.range.next).or(ledger.next);
        match expected {
            Some(next) if next != batch.progress.range.from => {
                let from = batch.progress.range.from;
                let why = format!("the batch starts at {from}, the ledger continues at {next}");
                Err(SinkError::retry(what(), why))
            }
            _ => Ok(()),
        }
    }

    async fn store(&mut self, batch: &SinkBatch) -> Result<(), SinkError> {
        let Records::Columns(rows) = &batch.records else {
            return Err(rejected(&self.settings.table, "raw records have no columns to store"));
        };
        self.rows.write(rows).await
    }

    fn count(&self, adds: &[Add]) {
        let labels = [
            ("route", self.settings.route.as_str().to_owned()),
            ("table", self.settings.table.as_str().to_owned()),
        ];
        metrics::counter!("millrace_table_files_total", &labels).increment(adds.len() as u64);
        metrics::counter!("millrace_table_bytes_total", &labels)
            .increment(adds.iter().map(|add| add.size).sum());
    }

    async fn settle(
        &mut self,
        moves: Vec<(LedgerKey, Ledger, Ledger)>,
    ) -> Result<Ledgers, SinkError> {
        let finished = self.rows.files.finish().await?;
        self.probe.reached(Step::BeforeCommit);
        match commit(self, Want::Move(moves), &finished.adds).await {
            Ok(ledgers) => {
                self.probe.reached(Step::AfterCommitBeforeAck);
                self.count(&finished.adds);
                Ok(ledgers)
            }
            Err(NotCommitted { error, certain }) => {
                if certain {
                    self.rows.files.take_back(finished);
                }
                Err(error)
            }
        }
    }
}

async fn commit(sink: &mut TableSink, change: Want, adds: &[Add]) -> Result<Ledgers, NotCommitted> {
    let TableSink { rows, log, writer, .. } = sink;
    let shape = rows.shape().map_err(|error| NotCommitted { error, certain: true })?;
    log.commit(&Commit { change, adds, shape, writer }).await
}

#[async_trait]
impl Sink for TableSink {
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        self.release(partitions).await;
        if self.owned.is_empty() {
            // Something may have been cancelled half-way.
            self.fail().await;
        }
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let keys = partitions.iter().map(|tp| LedgerKey::route(&self.settings.route, tp)).collect();
        let claimed = commit(self, Want::Claim(keys), &[]).await?;
        let claimed: Vec<_> = claimed.into_iter().map(|(key, ledger)| (key.tp, ledger)).collect();
        self.owned.extend(claimed.iter().cloned());
        Ok(claimed)
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        if partitions.iter().any(|tp| self.pending.contains_key(tp)) {
            // Rows of several partitions share files: they cannot be dropped apart.
            self.fail().await;
        }
        for tp in partitions {
            self.owned.remove(tp);
        }
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError> {
        let owned = std::mem::take(&mut self.owned);
        let stored = match self.check(&owned, &batch) {
            Ok(()) => self.store(&batch).await,
            Err(e) => Err(e),
        };
        if let Err(e) = stored {
            self.fail().await;
            return Err(e);
        }
        self.owned = owned;
        let open = f64::from(u32::try_from(self.rows.files.open()).unwrap_or(u32::MAX));
        let route = self.settings.route.as_str().to_owned();
        metrics::gauge!("millrace_table_open_files", "route" => route).set(open);
        if batch.progress.range.width() > 0 {
            self.pending
                .entry(batch.tp)
                .and_modify(|p| *p = p.then(&batch.progress))
                .or_insert(batch.progress);
        }
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.rows.files.bytes()
    }

    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        if self.pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut owned = std::mem::take(&mut self.owned);
        let moves = std::mem::take(&mut self.pending).into_iter().map(|(tp, progress)| {
            let ledger = owned.get(&tp).copied().unwrap_or_default();
            (LedgerKey::route(&self.settings.route, &tp), ledger, ledger.after(&progress))
        });
        let moves: Vec<_> = moves.collect();
        assert!(moves.iter().all(|(_, _, becomes)| becomes.adds_up()), "ledgers add up: {moves:?}");
        match self.settle(moves).await {
            Ok(ledgers) => {
                let ledgers: Vec<_> = ledgers.into_iter().map(|(key, l)| (key.tp, l)).collect();
                owned.extend(ledgers.iter().cloned());
                self.owned = owned;
                Ok(ledgers)
            }
            Err(error) => {
                self.fail().await;
                Err(error)
            }
        }
    }

    async fn abort(&mut self) {
        self.pending.clear();
        self.rows.files.abort().await;
    }
}
