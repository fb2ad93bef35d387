//! Tables of the warehouse as the control plane shows them.

use async_trait::async_trait;

use millrace_control::{SeamError, TableInfo, Tables};
use millrace_sinks::Warehouse;

use super::{columns_in_words, of_sink};

/// Tables of one warehouse.
pub(crate) struct TablesOf(Warehouse);

impl TablesOf {
    pub(crate) fn new(warehouse: Warehouse) -> Self {
        Self(warehouse)
    }
}

#[async_trait]
impl Tables for TablesOf {
    async fn table(&self, name: &str) -> Result<Option<TableInfo>, SeamError> {
        // What cannot name a table names none.
        let Ok(name) = name.parse() else { return Ok(None) };
        let Some(facts) = self.0.facts(&name).await.map_err(of_sink)? else { return Ok(None) };
        let (schema, table) = name.parts();
        Ok(Some(TableInfo {
            name: format!("{schema}.{table}"),
            columns: columns_in_words(&facts.columns),
            partition_by: facts.partition_by,
            rows: facts.rows,
            bytes: Some(facts.bytes),
            version: Some(facts.version),
        }))
    }
}
