//! All tables under one URL: opens sinks, books and readers of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use deltalake::DeltaTableError;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::DataFusionError;
use deltalake::datafusion::prelude::{SessionContext, col, lit};
use object_store::ObjectStore;
use object_store::path::Path;

use millrace_events::{Clock, SystemClock, TableName};

use super::dead_rows;
use super::dead_table::{DEAD_LETTERS, DeadLetterTable};
use super::facts::TableFacts;
use super::ledger_table::{LEDGER_TABLE, LedgerTable};
use super::ledgers::{LedgerKey, LedgerKind};
use super::log::{TableLog, newest, open};
use super::scan::{ScanPosition, TableScan};
use super::settings::{
    AuditRow, DeadLetterQuery, DeadLetterRow, TableSettings, TableSinkSettings, WarehouseSettings,
};
use super::sink::TableSink;
use super::store::Root;
use super::table_writer::TableWriter;
use super::with_dead::WithDeadLetters;
use crate::{DeadLetterBook, EpochCommitter, JobSink, LedgerBook, Sink, SinkError, StagedTable};

/// Tables under one URL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Warehouse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: WarehouseSettings,
    root: Root,
    clock: Arc<dyn Clock>,
    ledgers: Arc<LedgerTable>,
    dead_letters: Arc<DeadLetterTable>,
}

impl Warehouse {
    /// Opens the store at the settings' URL; a local folder is created.
    pub async fn open(settings: WarehouseSettings) -> Result<Self, SinkError> {
        Self::open_with(settings, Arc::new(SystemClock::default())).await
    }

    /// [`Self::open`] with a clock of the caller's.
    pub async fn open_with(
        settings: WarehouseSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SinkError> {
        let root = Root::open(&settings).await?;
        let log = |name: &str| {
            let name = name.parse().expect("names of our own tables are valid");
            TableLog::new(root.place(&name), clock.clone())
        };
        let ledgers = Arc::new(LedgerTable::new(log(LEDGER_TABLE)));
        let dead_letters =
            Arc::new(DeadLetterTable::new(log(DEAD_LETTERS), settings.probe.clone()));
        Ok(Self(Arc::new(Inner { settings, root, clock, ledgers, dead_letters })))
    }

    fn log(&self, table: &TableName) -> TableLog {
        TableLog::new(self.0.root.place(table), self.0.clock.clone())
    }

    /// A sink that appends to a table, dead letters included; the first claim creates the table.
    ///
    /// Rows are encoded in the task that calls `write`.
    pub fn table_sink(&self, settings: TableSinkSettings) -> Box<dyn Sink> {
        let log = self.log(&settings.table);
        let (route, budget) = (settings.route.clone(), settings.budget.clone());
        let sink = TableSink::new(settings, log, self.0.settings.probe.clone());
        Box::new(WithDeadLetters::new(route, sink, self.dead_letter_book(), budget))
    }

    /// A writer of files that a job's [`EpochCommitter`] makes part of a table later.
    ///
    /// Rows are encoded in the task that calls `write`. The error says which columns cannot be
    /// stored.
    pub fn staged_table(&self, settings: TableSettings) -> Result<StagedTable, SinkError> {
        let (table, log) = (settings.table.clone(), self.log(&settings.table));
        let writer = TableWriter::new(settings, &log, self.0.settings.probe.clone());
        let staged = StagedTable::new(table, writer);
        staged.shape()?;
        Ok(staged)
    }

    /// The committer of a job's sink, for files that writers with the same settings prepared.
    pub fn epoch_committer(
        &self,
        sink: JobSink,
        settings: TableSettings,
    ) -> Result<EpochCommitter, SinkError> {
        let log = self.log(&settings.table);
        let shape = self.staged_table(settings)?.shape()?.clone();
        Ok(EpochCommitter::new(sink, shape, log, self.0.settings.probe.clone()))
    }

    /// Ledgers for sinks that hold none, in the table `system.ledger`.
    pub fn ledger_book(&self) -> Arc<dyn LedgerBook> {
        self.0.ledgers.clone()
    }

    /// The table `dead_letters`, for sinks that keep none.
    pub fn dead_letter_book(&self) -> Arc<dyn DeadLetterBook> {
        self.0.dead_letters.clone()
    }

    /// A folder of the store that is no table's: the store, and the path in it. Its first part must
    /// not be able to name a schema, as one with a hyphen cannot.
    pub fn folder(&self, name: &str) -> (Arc<dyn ObjectStore>, Path) {
        self.0.root.folder(name)
    }

    /// Every table, sorted by name.
    pub async fn tables(&self) -> Result<Vec<TableName>, SinkError> {
        self.0.root.tables().await
    }

    /// What the log says of `table`; `None` when there is no such table.
    pub async fn facts(&self, table: &TableName) -> Result<Option<TableFacts>, SinkError> {
        TableFacts::read(&self.0.root.place(table)).await
    }

    /// The newest snapshot of `table` for DataFusion.
    pub async fn provider(&self, table: &TableName) -> Result<Arc<dyn TableProvider>, SinkError> {
        let place = self.0.root.place(table);
        let Some(version) = newest(&place).await? else {
            return Err(SinkError::Rejected { what: format!("there is no table `{table}`") });
        };
        let failed = |e: DeltaTableError| SinkError::retry(format!("open table `{table}`"), e);
        let delta = open(&place, version).await.map_err(failed)?;
        let provider = delta.table_provider().await;
        provider.map_err(|e| SinkError::retry(format!("open table `{table}`"), e))
    }

    /// Reads a table whole: from where a scan was, or the newest version from its beginning; the
    /// columns of those numbers in the table's schema, or all.
    pub async fn scan(
        &self,
        table: &TableName,
        from: Option<ScanPosition>,
        columns: Option<&[usize]>,
    ) -> Result<TableScan, SinkError> {
        TableScan::open(&self.0.root.place(table), from, columns).await
    }

    /// Every ledger in every table.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, SinkError> {
        let mut rows = Vec::new();
        for table in self.tables().await? {
            let mut log = self.log(&table);
            log.refresh(None).await?;
            let Some(state) = &log.state else { continue };
            let keys: BTreeSet<_> =
                state.txns.keys().filter_map(|id| LedgerKey::owner(id)).collect();
            for key in keys.into_iter().filter(|key| key.kind == LedgerKind::Route) {
                let ledger = key.read(&state.txns);
                let (topic, partition) = (key.tp.topic, key.tp.partition);
                let table = table.clone();
                rows.push(AuditRow { route: key.route, table, topic, partition, ledger });
            }
        }
        Ok(rows)
    }

    /// Dead letters, newest first.
    pub async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetterRow>, SinkError> {
        let table: TableName = DEAD_LETTERS.parse().expect("a valid name");
        if !self.tables().await?.contains(&table) {
            return Ok(Vec::new());
        }
        let provider = self.provider(&table).await?;
        let failed = |e: DataFusionError| SinkError::retry("read dead letters", e);
        let mut frame = SessionContext::new().read_table(provider).map_err(failed)?;
        let equal = [
            ("route", query.route.as_ref().map(millrace_events::RouteName::as_str)),
            ("topic", query.topic.as_deref()),
        ];
        for (column, value) in equal {
            if let Some(value) = value {
                frame = frame.filter(col(column).eq(lit(value))).map_err(failed)?;
            }
        }
        let newest = ["dead_at", "timestamp", "offset"].map(|c| col(c).sort(false, true));
        let frame = frame.sort(newest.to_vec()).and_then(|f| f.limit(0, query.limit));
        let batches = frame.map_err(failed)?.collect().await.map_err(failed)?;
        let mut rows = Vec::new();
        for batch in &batches {
            let read = dead_rows::rows(batch);
            rows.extend(read.map_err(|e| SinkError::retry("read dead letters", e))?);
        }
        Ok(rows)
    }
}
