//! The table sink: rows to data files, files and ledgers to the table in one commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};
use async_trait::async_trait;
use uuid::Uuid;

use millrace_events::{Probe, Step, TopicPartition};

use super::actions::Add;
use super::columns::Columns;
use super::commit::{Commit, NotCommitted, Want};
use super::files::{Files, row_group_bytes};
use super::ledgers::LedgerKey;
use super::log::TableLog;
use super::open_file::FileContext;
use super::partition::Partitioner;
use super::schema::{TableShape, rejected};
use super::settings::TableSinkSettings;
use crate::{Ledger, Progress, Records, Sink, SinkBatch, SinkError};

/// Appends one route's rows to one table.
#[derive(Debug)]
pub(crate) struct TableSink {
    settings: TableSinkSettings,
    probe: Arc<dyn Probe>,
    writer: String,
    log: TableLog,
    /// Or why there is none; every claim says so.
    layout: Result<Layout, String>,
    files: Files,
    /// Partitions this writer may write. Emptied before anything that can fail half-way, also by
    /// being cancelled, so that a failed writer must claim again.
    owned: HashMap<TopicPartition, Ledger>,
    pending: BTreeMap<TopicPartition, Progress>,
}

/// How rows become files of the table.
#[derive(Debug)]
struct Layout {
    columns: Columns,
    partitioner: Partitioner,
    shape: TableShape,
}

impl Layout {
    fn new(settings: &TableSinkSettings) -> Result<Self, String> {
        let columns = Columns::new(settings.columns.clone());
        let partitioner = Partitioner::new(columns.stored(), &settings.partition_by)
            .map_err(|e| rejected(&settings.table, e).to_string())?;
        let derived = partitioner.derived().into_iter().map(Arc::<Field>::new);
        let all: Vec<FieldRef> = columns.stored().fields().iter().cloned().chain(derived).collect();
        let shape = TableShape::new(&settings.table, &Schema::new(all), partitioner.names())
            .map_err(|e| e.to_string())?;
        Ok(Self { columns, partitioner, shape })
    }
}

impl TableSink {
    pub(crate) fn new(settings: TableSinkSettings, log: TableLog, probe: Arc<dyn Probe>) -> Self {
        let layout = Layout::new(&settings);
        let context = FileContext {
            table: settings.table.as_str().to_owned(),
            store: log.place.store.clone(),
            probe: probe.clone(),
            clock: log.clock.clone(),
            schema: layout
                .as_ref()
                .map_or_else(|_| settings.columns.clone(), |l| l.partitioner.files().clone()),
            row_group_bytes: row_group_bytes(settings.budget.limit()),
        };
        let files = Files::new(context, settings.budget.clone(), settings.max_open_files);
        Self {
            settings,
            probe,
            writer: Uuid::now_v7().to_string(),
            log,
            layout,
            files,
            owned: HashMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Drops everything and owns nothing: the owner must claim again.
    async fn fail(&mut self) {
        self.owned.clear();
        self.pending.clear();
        self.files.abort().await;
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
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let table = &self.settings.table;
        let layout =
            self.layout.as_ref().map_err(|what| SinkError::Rejected { what: what.clone() })?;
        let rows = layout.columns.store(rows).map_err(|e| rejected(table, e))?;
        for (part, values) in layout.partitioner.split(&rows).map_err(|e| rejected(table, e))? {
            self.files.append(part.key, values, part.rows).await?;
        }
        Ok(())
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
    ) -> Result<Vec<(LedgerKey, Ledger)>, SinkError> {
        let finished = self.files.finish().await?;
        self.probe.reached(Step::BeforeCommit);
        match commit(self, Want::Move(moves), &finished.adds).await {
            Ok(ledgers) => {
                self.probe.reached(Step::AfterCommitBeforeAck);
                self.count(&finished.adds);
                Ok(ledgers)
            }
            Err(NotCommitted { error, certain }) => {
                if certain {
                    self.files.take_back(finished);
                }
                Err(error)
            }
        }
    }
}

async fn commit(
    sink: &mut TableSink,
    want: Want,
    adds: &[Add],
) -> Result<Vec<(LedgerKey, Ledger)>, NotCommitted> {
    let TableSink { layout, log, writer, .. } = sink;
    match layout {
        Ok(Layout { shape, .. }) => log.commit(&Commit { want, adds, shape, writer }).await,
        Err(what) => {
            let error = SinkError::Rejected { what: what.clone() };
            Err(NotCommitted { error, certain: true })
        }
    }
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
        let open = f64::from(u32::try_from(self.files.open()).unwrap_or(u32::MAX));
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
        self.files.bytes()
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
        self.files.abort().await;
    }
}
