//! The Delta table sink against the checks every sink must pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::AsArray;
use async_trait::async_trait;
use deltalake::datafusion::prelude::SessionContext;
use tempfile::TempDir;
use url::Url;

use millrace_events::{Budget, DeadLetter, TableName};
use millrace_sinks::conformance::{SinkHarness, check, columns};
use millrace_sinks::{
    DeadLetterQuery, PartitionColumn, Sink, StoreWrap, TableSinkSettings, Warehouse,
    WarehouseSettings,
};

use crate::rows::route;
use crate::store::Limited;

/// A warehouse in a temporary folder whose store can be told to take nothing.
pub(crate) struct Tables {
    pub(crate) warehouse: Warehouse,
    pub(crate) full: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Tables {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = Url::from_directory_path(folder.path()).expect("an absolute path");
        let full = Arc::new(AtomicBool::new(false));
        let wrap: StoreWrap = {
            let full = Arc::clone(&full);
            Arc::new(move |inner| Arc::new(Limited { inner, full: Arc::clone(&full) }))
        };
        let settings = WarehouseSettings { wrap: Some(wrap), ..WarehouseSettings::at(url) };
        let warehouse = Warehouse::open(settings).await.expect("opens");
        Self { warehouse, full, _folder: folder }
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        let query = DeadLetterQuery::default();
        let rows = self.warehouse.dead_letters(&query).await.expect("reads");
        rows.into_iter().map(|row| row.letter).collect()
    }
}

struct ToTable {
    tables: Tables,
    partition_by: Vec<PartitionColumn>,
}

fn table() -> TableName {
    "raw.orders".parse().expect("a valid name")
}

#[async_trait]
impl SinkHarness for ToTable {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.tables.warehouse.table_sink(TableSinkSettings {
            route: route(),
            table: table(),
            columns: columns(),
            partition_by: self.partition_by.clone(),
            budget: Budget::new("test", 64 << 20),
            max_open_files: 64,
        })
    }

    async fn delivered(&mut self) -> Vec<String> {
        let tables = self.tables.warehouse.tables().await.expect("lists");
        if !tables.contains(&table()) {
            return Vec::new();
        }
        let provider = self.tables.warehouse.provider(&table()).await.expect("opens");
        let frame = SessionContext::new().read_table(provider).expect("reads");
        let frame = frame.select_columns(&["event_id"]).expect("is there");
        let batches = frame.collect().await.expect("reads");
        let ids = batches.iter().flat_map(|batch| {
            let ids = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8);
            let ids = ids.expect("texts");
            ids.as_string::<i32>()
                .iter()
                .map(|id| id.expect("an id").to_owned())
                .collect::<Vec<_>>()
        });
        ids.collect()
    }

    async fn dead_letters(&mut self) -> Vec<DeadLetter> {
        self.tables.letters().await
    }

    fn exactly_once(&self) -> bool {
        true
    }

    async fn break_destination(&mut self) -> bool {
        self.tables.full.store(true, Ordering::SeqCst);
        true
    }

    async fn mend_destination(&mut self) {
        self.tables.full.store(false, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_sink_conforms() {
    by(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_sink_conforms_partitioned_by_date() {
    by(vec![PartitionColumn::EventDate("event_time".to_owned())]).await;
}

async fn by(partition_by: Vec<PartitionColumn>) {
    let mut harness = ToTable { tables: Tables::start().await, partition_by };
    check(&mut harness).await;
    let audit = harness.tables.warehouse.audit().await.expect("reads");
    assert!(audit.len() > 20, "a ledger a partition of each story: {}", audit.len());
    for row in audit {
        assert!(row.ledger.adds_up(), "{row:?}");
    }
}
