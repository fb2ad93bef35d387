//! A source over files: one split a file, read in turns, each to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use millrace_events::StreamSchema;

use super::columns::{self, FileColumn};
use super::csv::CsvRows;
use super::json_lines::JsonLines;
use super::open::broken;
use super::parquet::ParquetRows;
use super::{FileFormat, infer};
use crate::connector::{ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// The rows of one file from a position on.
pub(super) trait FileRows: Send {
    /// The next rows; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<RecordBatch>, ConnectorError>;

    /// Where to resume after the rows given out.
    fn position(&self) -> Position;
}

/// What is read of a file.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) columns: Arc<[FileColumn]>,
    /// The column that holds the event id, if any.
    pub(super) id: Option<String>,
    /// Columns to return, ascending.
    pub(super) asked: Vec<usize>,
    pub(super) batch_rows: usize,
}

impl Wanted {
    /// The columns to return, as a schema.
    pub(super) fn schema(&self) -> SchemaRef {
        let asked: Vec<_> = self.asked.iter().map(|at| self.columns[*at].clone()).collect();
        columns::schema(&asked)
    }
}

/// Files of one format and one schema. Finite: ends after the last row of the last file.
///
/// A line that cannot be read fails the run and is named with its file: what a stream would
/// dead-letter is to be seen while a job is being written.
#[derive(Debug, Clone)]
pub struct FileSource {
    files: Arc<[PathBuf]>,
    format: FileFormat,
    columns: Arc<[FileColumn]>,
    id: Option<String>,
    schema: SchemaRef,
    batch_rows: usize,
}

impl FileSource {
    /// Files whose rows have the columns of `schema`; those that are not nullable must be there.
    pub fn new(files: Vec<PathBuf>, format: FileFormat, schema: &SchemaRef) -> Self {
        Self::of_columns(files, format, columns::of_schema(schema), None)
    }

    /// Files of a stream's events. An id that is missing becomes `file/0/line`.
    pub fn of_stream(files: Vec<PathBuf>, format: FileFormat, stream: &StreamSchema) -> Self {
        Self::of_columns(files, format, columns::of_stream(stream), stream.id.clone())
    }

    /// Files whose columns are told by their first rows (at most 100,000); `event_time` names the
    /// column that must come out as a time. Text is a time when every value is one (RFC 3339, or
    /// with a blank and without a zone, which then is UTC); a number only if it is the event time:
    /// microseconds since 1970 when that is after 1973, milliseconds otherwise.
    ///
    /// # Errors
    ///
    /// No rows, rows that cannot be read, a column `event_time` that is not there or no time.
    pub fn infer(
        files: Vec<PathBuf>,
        format: FileFormat,
        event_time: Option<&str>,
    ) -> Result<Self, ConnectorError> {
        let columns = infer::columns(&files, format, event_time)?;
        Ok(Self::of_columns(files, format, columns, None))
    }

    pub(super) fn of_columns(
        files: Vec<PathBuf>,
        format: FileFormat,
        columns: Vec<FileColumn>,
        id: Option<String>,
    ) -> Self {
        let schema = columns::schema(&columns);
        let (files, columns) = (files.into(), columns.into());
        Self { files, format, columns, id, schema, batch_rows: BATCH_ROWS }
    }

    /// Reads so many rows at once instead of 8,192.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The first `rows` rows, or fewer if the first file has no more.
    ///
    /// # Errors
    ///
    /// Rows that cannot be read.
    pub fn head(&self, rows: usize) -> Result<RecordBatch, ConnectorError> {
        let all: Vec<_> = (0..self.columns.len()).collect();
        let Some(first) = self.files.first() else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        };
        let few = self.clone().batch_rows(rows);
        let batch = few.rows(first, &all, None)?.next()?;
        Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.schema))))
    }

    /// Columns `asked` of one file.
    pub(super) fn rows(
        &self,
        path: &Path,
        asked: &[usize],
        position: Option<&Position>,
    ) -> Result<Box<dyn FileRows>, ConnectorError> {
        let wanted = Wanted {
            columns: Arc::clone(&self.columns),
            id: self.id.clone(),
            asked: asked.to_vec(),
            batch_rows: self.batch_rows,
        };
        Ok(match self.format {
            FileFormat::JsonLines => Box::new(JsonLines::open(path, &wanted, position)?),
            FileFormat::Csv => Box::new(CsvRows::open(path, &wanted, position)?),
            FileFormat::Parquet => Box::new(ParquetRows::open(path, &wanted, position)?),
        })
    }
}

#[async_trait]
impl SourceFactory for FileSource {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok(self.files.iter().map(|path| SplitId(path.display().to_string())).collect())
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let mut files = Vec::new();
        for (split, position) in splits {
            let path = Path::new(&split.0);
            if !self.files.iter().any(|known| known == path) {
                return Err(broken(path, "not a file of this source"));
            }
            files.push(Some(self.rows(path, columns, position.as_ref())?));
        }
        Ok(Box::new(FileReader { files, turn: 0 }))
    }
}

/// Files in turns, a batch each; `None` once a file has ended.
struct FileReader {
    files: Vec<Option<Box<dyn FileRows>>>,
    turn: usize,
}

#[async_trait]
impl SourceReader for FileReader {
    // Reads on the spot: the run has threads of its own, and a local file does not keep it waiting.
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let count = self.files.len();
        for _ in 0..count {
            let split = self.turn % count;
            self.turn += 1;
            let Some(file) = &mut self.files[split] else { continue };
            let Some(rows) = file.next()? else {
                self.files[split] = None;
                return Ok(Read::End { split });
            };
            return Ok(Read::Rows { split, rows, position: file.position() });
        }
        // All have ended, and were said to have.
        std::future::pending().await
    }
}
