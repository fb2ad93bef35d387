//! What a table's log says of the table as a whole.

use arrow::datatypes::SchemaRef;
use deltalake::DeltaTableError;

use super::log::{newest, open};
use super::scan::plain_schema;
use super::store::Place;
use crate::SinkError;

/// A table in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Version these numbers are of.
    pub version: i64,
    /// Its columns.
    pub columns: SchemaRef,
    /// Columns it is partitioned by.
    pub partition_by: Vec<String>,
    /// Its rows, if all of its files say how many they have.
    pub rows: Option<u64>,
    /// Bytes of its files.
    pub bytes: u64,
}

impl TableFacts {
    /// Of the newest version; `None` when there is no table.
    pub(crate) async fn read(place: &Place) -> Result<Option<Self>, SinkError> {
        let Some(version) = newest(place).await? else { return Ok(None) };
        let failed = |e: DeltaTableError| SinkError::retry(format!("read {}", place.table), e);
        let delta = open(place, version).await.map_err(failed)?;
        let provider = delta.table_provider().await;
        let provider =
            provider.map_err(|e| SinkError::retry(format!("read {}", place.table), e))?;
        let snapshot = delta.snapshot().map_err(failed)?;
        let (mut rows, mut bytes) = (Some(0), 0);
        for file in snapshot.log_data() {
            bytes += u64::try_from(file.size()).unwrap_or(0);
            rows = rows.zip(file.num_records()).map(|(sum, more)| sum + more as u64);
        }
        let columns = plain_schema(&provider.schema());
        let partition_by = snapshot.metadata().partition_columns().to_vec();
        Ok(Some(Self { version, columns, partition_by, rows, bytes }))
    }
}
