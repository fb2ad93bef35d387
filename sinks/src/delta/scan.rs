//! Reads one version of a table file by file, in an order that is the same each time.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::DataFusionError;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::physical_plan::execute_stream;
use deltalake::datafusion::prelude::{SessionConfig, SessionContext};
use deltalake::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use millrace_events::TableName;

use super::log::{newest, open};
use super::schema::rejected;
use super::store::Place;
use crate::SinkError;

/// Where a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPosition {
    /// Version of the table that is read.
    pub version: i64,
    /// Files of that version read whole; they are numbered by name.
    pub files: usize,
    /// Rows read of the file after them.
    pub rows: usize,
}

/// Rows of one version of a table.
pub struct TableScan {
    source: Source,
    schema: SchemaRef,
    at: ScanPosition,
    /// The open file, and how many of its rows were read before and are to be skipped.
    open: Option<(SendableRecordBatchStream, usize)>,
}

/// One version of a table and what is read of it.
struct Source {
    table: TableName,
    delta: DeltaTable,
    files: Vec<String>,
    columns: Vec<usize>,
    session: SessionContext,
}

impl fmt::Debug for TableScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.source.table;
        f.debug_struct("TableScan")
            .field("table", table)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl TableScan {
    /// A scan from `from`, or of the newest version; of `columns`, or all.
    pub(crate) async fn open(
        place: &Place,
        from: Option<ScanPosition>,
        columns: Option<&[usize]>,
    ) -> Result<Self, SinkError> {
        let table = place.table.clone();
        let version = match from {
            Some(from) => Some(from.version),
            None => newest(place).await?,
        };
        let Some(version) = version else {
            return Err(SinkError::Rejected { what: format!("there is no table `{table}`") });
        };
        let failed = |e: DeltaTableError| SinkError::retry(format!("read table `{table}`"), e);
        let delta = open(place, version).await.map_err(failed)?;
        let snapshot = delta.snapshot().map_err(failed)?;
        // In the log a path is a URL: its own escapes are escaped once more.
        let files = snapshot.log_data().into_iter().map(|f| f.path().replace('%', "%25"));
        let mut files: Vec<_> = files.collect();
        files.sort_unstable();
        let mut config = SessionConfig::new().with_target_partitions(1);
        config.options_mut().execution.parquet.schema_force_view_types = false;
        let session = SessionContext::new_with_config(config);
        let mut source = Source { table, delta, files, columns: Vec::new(), session };
        let whole = source.provider(None).await?.schema();
        let all = || (0..whole.fields().len()).collect();
        source.columns = columns.map_or_else(all, <[usize]>::to_vec);
        let schema = whole.project(&source.columns).map_err(|e| rejected(&source.table, e))?;
        let at = from.unwrap_or(ScanPosition { version, files: 0, rows: 0 });
        Ok(Self { source, schema: plain_schema(&schema), at, open: None })
    }

    /// Columns of the rows: plain strings and values, neither views nor dictionaries.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Where the scan goes on after what `next` returned.
    pub fn position(&self) -> ScanPosition {
        self.at
    }

    /// The next rows, `None` at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, SinkError> {
        while self.at.files < self.source.files.len() {
            if self.open.is_none() {
                let stream = self.source.file(self.at.files).await?;
                self.open = Some((stream, self.at.rows));
            }
            let Some((stream, skip)) = &mut self.open else { continue };
            let read = stream.try_next().await;
            let Some(mut rows) = read.map_err(|e| failed(&self.source.table, e))? else {
                self.open = None;
                self.at.files += 1;
                self.at.rows = 0;
                continue;
            };
            let known = rows.num_rows().min(*skip);
            *skip -= known;
            rows = rows.slice(known, rows.num_rows() - known);
            if rows.num_rows() == 0 {
                continue;
            }
            self.at.rows += rows.num_rows();
            let rows = plain(&rows, &self.schema).map_err(|e| rejected(&self.source.table, e));
            return rows.map(Some);
        }
        Ok(None)
    }
}

impl Source {
    async fn provider(&self, file: Option<&str>) -> Result<Arc<dyn TableProvider>, SinkError> {
        let provider = self.delta.table_provider().with_session(Arc::new(self.session.state()));
        let provider = match file {
            Some(file) => provider.with_file_paths([file]),
            None => provider,
        };
        provider.await.map_err(|e| failed(&self.table, e))
    }

    async fn file(&self, number: usize) -> Result<SendableRecordBatchStream, SinkError> {
        let provider = self.provider(Some(&self.files[number])).await?;
        let state = self.session.state();
        let read = async {
            let plan = provider.scan(&state, Some(&self.columns), &[], None).await?;
            execute_stream(plan, self.session.task_ctx())
        };
        read.await.map_err(|e| failed(&self.table, e))
    }
}

fn failed(table: &TableName, e: DataFusionError) -> SinkError {
    SinkError::retry(format!("read table `{table}`"), e)
}

pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let field = |f: &FieldRef| match f.data_type() {
        DataType::Dictionary(_, value) => {
            Arc::new(Field::new(f.name(), value.as_ref().clone(), f.is_nullable()))
        }
        _ => f.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn plain(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |(column, field): (&ArrayRef, &FieldRef)| {
        if column.data_type() == field.data_type() {
            Ok(column.clone())
        } else {
            cast(column, field.data_type())
        }
    };
    let columns =
        rows.columns().iter().zip(schema.fields()).map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}
