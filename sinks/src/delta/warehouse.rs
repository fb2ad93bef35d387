//! All tables under one URL: opens sinks, books and readers of them.

use std::sync::Arc;

use deltalake::datafusion::catalog::TableProvider;

use millrace_events::TableName;

use super::settings::{
    AuditRow, DeadLetterQuery, DeadLetterRow, TableSinkSettings, WarehouseSettings,
};
use crate::{DeadLetterBook, LedgerBook, Sink, SinkError};

/// Tables under one URL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Warehouse {
    settings: Arc<WarehouseSettings>,
}

#[expect(clippy::unused_async, clippy::todo, reason = "signatures first")]
impl Warehouse {
    /// Opens the store at the settings' URL; a local folder is created.
    pub async fn open(settings: WarehouseSettings) -> Result<Self, SinkError> {
        Ok(Self { settings: Arc::new(settings) })
    }

    /// A sink that appends to a table, dead letters included; the first claim creates the table.
    pub fn table_sink(&self, _settings: TableSinkSettings) -> Box<dyn Sink> {
        todo!()
    }

    /// Ledgers for sinks that hold none, in the table `system.ledger`.
    pub fn ledger_book(&self) -> Arc<dyn LedgerBook> {
        todo!()
    }

    /// The table `dead_letters`, for sinks that keep none.
    pub fn dead_letter_book(&self) -> Arc<dyn DeadLetterBook> {
        todo!()
    }

    /// Every table, sorted by name.
    pub async fn tables(&self) -> Result<Vec<TableName>, SinkError> {
        todo!()
    }

    /// The newest snapshot of `table` for DataFusion.
    pub async fn provider(&self, _table: &TableName) -> Result<Arc<dyn TableProvider>, SinkError> {
        todo!()
    }

    /// Every ledger in every table.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, SinkError> {
        todo!()
    }

    /// Dead letters, newest first.
    pub async fn dead_letters(
        &self,
        _query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetterRow>, SinkError> {
        todo!()
    }
}
