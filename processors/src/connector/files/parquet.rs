//! Rows of a Parquet file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::columns::{FileColumn, Kind, plain};
use super::open::{broken, rows_before};
use super::source::{FileRows, Wanted};
use crate::connector::{ConnectorError, Position};

/// Reads columns; a position is the number of rows before it.
pub(super) struct ParquetRows {
    path: PathBuf,
    /// `None` when the position is the end.
    reader: Option<ParquetRecordBatchReader>,
    /// Where each asked column is in what the reader gives, and its type.
    columns: Vec<(usize, Kind)>,
    schema: SchemaRef,
    row: usize,
}

impl ParquetRows {
    pub(super) fn open(
        path: &Path,
        wanted: &Wanted,
        position: Option<&Position>,
    ) -> Result<Self, ConnectorError> {
        let builder = builder(path)?;
        let row = rows_before(path, position)?;
        let mut found = Vec::new();
        for column in wanted.asked.iter().map(|at| &wanted.columns[*at]) {
            let place = builder.schema().index_of(&column.name).map_err(|_| {
                let known: Vec<_> = builder.schema().fields().iter().map(|f| f.name()).collect();
                let known = known.into_iter().cloned().collect::<Vec<_>>().join("`, `");
                broken(path, format!("there is no column `{}`; there are `{known}`", column.name))
            })?;
            found.push((place, column.kind.clone()));
        }
        let mut places: Vec<_> = found.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
        let rows = builder.metadata().file_metadata().num_rows();
        let columns = found
            .into_iter()
            .map(|(place, kind)| (places.partition_point(|before| *before < place), kind));
        let columns = columns.collect();
        let reader = (i64::try_from(row).unwrap_or(i64::MAX) < rows).then(|| {
            let builder = builder.with_projection(mask).with_batch_size(wanted.batch_rows);
            builder.with_offset(row).build().map_err(|e| broken(path, e))
        });
        let reader = reader.transpose()?;
        Ok(Self { path: path.to_owned(), reader, columns, schema: wanted.schema(), row })
    }
}

impl FileRows for ParquetRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        let Some(read) = self.reader.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let failed = |e| broken(&self.path, format!("after row {}: {e}", self.row));
        let read = read.map_err(failed)?;
        let mut arrays = Vec::new();
        for (place, kind) in &self.columns {
            // A number is first taken for what the stream says it counts.
            let values = read.column(*place);
            let number = values.data_type().is_integer() && kind.is_time();
            let wire = if number { cast(values, &kind.wire()) } else { Ok(Arc::clone(values)) };
            arrays.push(wire.and_then(|wire| cast(&wire, &kind.arrow())).map_err(failed)?);
        }
        self.row += read.num_rows();
        let rows = RecordBatchOptions::new().with_row_count(Some(read.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows);
        Ok(Some(batch.map_err(|e| broken(&self.path, e))?))
    }

    fn position(&self) -> Position {
        Position(self.row.to_string())
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ConnectorError> {
    let file = File::open(path).map_err(|e| broken(path, e))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| broken(path, e))
}

/// The columns of a file, as its own schema has them.
pub(super) fn columns(path: &Path) -> Result<Vec<FileColumn>, ConnectorError> {
    let builder = builder(path)?;
    let column = |name: &String, data_type: &DataType| {
        FileColumn::optional(name, Kind::of(&plain(data_type)))
    };
    Ok(builder.schema().fields().iter().map(|f| column(f.name(), f.data_type())).collect())
}
