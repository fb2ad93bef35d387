//! A table as a bounded source: the rows of one version.

use arrow::array::RecordBatch;
use async_trait::async_trait;

use millrace_events::TableName;
use millrace_processors::connector::{
    ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId,
};
use millrace_sinks::{ScanPosition, TableScan, Warehouse};

use crate::error::of_sink;

/// Reads the newest version of a table to its end. It is one split, whose position names the
/// version, so that a restart goes on in the version the job began with.
#[derive(Debug)]
pub struct TableRows {
    warehouse: Warehouse,
    table: TableName,
}

impl TableRows {
    /// The rows of `table`; its columns are those of [`Warehouse::scan`].
    pub fn new(warehouse: Warehouse, table: TableName) -> Self {
        Self { warehouse, table }
    }
}

#[async_trait]
impl SourceFactory for TableRows {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok(vec![SplitId(self.table.to_string())])
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let Some((split, position)) = splits.into_iter().next() else {
            return Ok(Box::new(Reader::Ended));
        };
        let from = position.map(|p| parse(&split, &p)).transpose()?;
        let scan = self.warehouse.scan(&self.table, from, Some(columns)).await.map_err(of_sink)?;
        Ok(Box::new(Reader::Opened(scan)))
    }
}

fn parse(split: &SplitId, position: &Position) -> Result<ScanPosition, ConnectorError> {
    serde_json::from_str(&position.0).map_err(|e| {
        ConnectorError::Rejected(format!("`{}` is no position in table {split}: {e}", position.0))
    })
}

enum Reader {
    /// Nothing was read; the version is to be kept before anything is.
    Opened(TableScan),
    Reading(TableScan),
    Ended,
}

impl Reader {
    fn rows(scan: &TableScan, rows: RecordBatch) -> Read {
        let position = serde_json::to_string(&scan.position()).expect("three numbers");
        Read::Rows { split: 0, rows, position: Position(position) }
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if let Self::Reading(scan) = self {
            if let Some(rows) = scan.next().await.map_err(of_sink)? {
                return Ok(Self::rows(scan, rows));
            }
            *self = Self::Ended;
            return Ok(Read::End { split: 0 });
        }
        match std::mem::replace(self, Self::Ended) {
            Self::Opened(scan) => {
                let read = Self::rows(&scan, RecordBatch::new_empty(scan.schema().clone()));
                *self = Self::Reading(scan);
                Ok(read)
            }
            // Nobody asks again after the end, or all there is to do is to wait.
            Self::Ended | Self::Reading(_) => std::future::pending().await,
        }
    }
}
