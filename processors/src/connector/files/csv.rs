//! Rows of a CSV file with a header.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::csv::reader::{BufReader, Format, ReaderBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::columns::FileColumn;
use super::convert::{Unreadable, read};
use super::open::{Text, bad_line, broken, open, rows_before};
use super::source::{FileRows, Wanted};
use crate::connector::{ConnectorError, Position};

/// Reads rows as text and gives each column its type; a position is the number of rows before it.
pub(super) struct CsvRows {
    path: PathBuf,
    reader: BufReader<Text>,
    columns: Vec<Used>,
    schema: SchemaRef,
    row: usize,
}

/// A column that is read: it is asked for, or has to be there.
struct Used {
    /// Where it is in what the reader gives.
    place: usize,
    column: FileColumn,
    asked: bool,
}

impl CsvRows {
    pub(super) fn open(
        path: &Path,
        wanted: &Wanted,
        position: Option<&Position>,
    ) -> Result<Self, ConnectorError> {
        let header = header(path)?;
        let row = rows_before(path, position)?;
        let mut columns = Vec::new();
        for (at, column) in wanted.columns.iter().enumerate() {
            let asked = wanted.asked.contains(&at);
            if !asked && !column.required {
                continue;
            }
            let place = header.iter().position(|name| *name == column.name).ok_or_else(|| {
                let (name, known) = (&column.name, header.join("`, `"));
                bad_line(path, 1, format!("there is no column `{name}`; there are `{known}`"))
            })?;
            columns.push(Used { place, column: column.clone(), asked });
        }
        // Rows are counted by the values of a column: there has to be one.
        let mut places: Vec<_> = columns.iter().map(|used| used.place).chain([0]).collect();
        places.sort_unstable();
        places.dedup();
        for used in &mut columns {
            used.place = places.partition_point(|place| *place < used.place);
        }
        let fields = header.iter().map(|name| Field::new(name, DataType::Utf8, true));
        let reader = ReaderBuilder::new(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
            .with_header(true)
            .with_batch_size(wanted.batch_rows)
            // The end is beyond every file; one more would overflow when the header is counted.
            .with_bounds(row, usize::MAX - 1)
            .with_projection(places)
            .build_buffered(open(path, 0)?)
            .map_err(|e| broken(path, e))?;
        Ok(Self { path: path.to_owned(), reader, columns, schema: wanted.schema(), row })
    }

    /// A value in row `row` of the batch cannot be used.
    fn bad_row(&self, row: usize, why: String) -> ConnectorError {
        // The header is record 1.
        let record = self.row + row + 2;
        line_of(&self.path, record)
            .map_or_else(|error| error, |line| bad_line(&self.path, line, why))
    }

    fn typed(&self, used: &Used, text: &RecordBatch) -> Result<ArrayRef, ConnectorError> {
        let text = text.column(used.place).as_string::<i32>();
        let FileColumn { name, kind, required } = &used.column;
        if *required && let Some(row) = (0..text.len()).find(|row| text.is_null(*row)) {
            return Err(self.bad_row(row, format!("column `{name}` is required and empty")));
        }
        read(text, kind).map_err(|error| match error {
            Unreadable::Row(row) => {
                let (value, kind) = (text.value(row), kind.arrow());
                self.bad_row(row, format!("column `{name}`: `{value}` is not {kind}"))
            }
            Unreadable::Type(error) => broken(&self.path, format!("column `{name}`: {error}")),
        })
    }
}

impl FileRows for CsvRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        let Some(text) = self.reader.next() else { return Ok(None) };
        let text = text.map_err(|error| misshapen(&self.path, &error))?;
        let mut arrays = Vec::new();
        for used in &self.columns {
            let values = self.typed(used, &text)?;
            if used.asked {
                arrays.push(values);
            }
        }
        self.row += text.num_rows();
        let rows = RecordBatchOptions::new().with_row_count(Some(text.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows);
        Ok(Some(batch.map_err(|e| broken(&self.path, e))?))
    }

    fn position(&self) -> Position {
        Position(self.row.to_string())
    }
}

/// The names of a file's columns.
pub(super) fn header(path: &Path) -> Result<Vec<String>, ConnectorError> {
    let format = Format::default().with_header(true);
    let (schema, _) =
        format.infer_schema(open(path, 0)?, Some(0)).map_err(|e| bad_line(path, 1, e))?;
    if schema.fields().is_empty() {
        return Err(bad_line(path, 1, "there is no header with the names of the columns"));
    }
    Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
}

/// A record that has not as many values as the header; the reader says which one in its message,
/// where it counts records and calls them lines.
fn misshapen(path: &Path, error: &ArrowError) -> ConnectorError {
    let message = error.to_string();
    let number = message.split_once(" line ").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    match number.map(|record| line_of(path, record)) {
        Some(Ok(line)) => bad_line(path, line, message),
        Some(Err(error)) => error,
        None => broken(path, message),
    }
}

/// The line on which record `record` begins, both from 1: quoted values may hold line ends.
fn line_of(path: &Path, record: usize) -> Result<u64, ConnectorError> {
    let mut text = open(path, 0)?;
    let (mut records, mut line, mut quoted, mut blank) = (1, 1, false, true);
    let mut first = true;
    loop {
        let bytes = text.fill_buf().map_err(|e| bad_line(path, line, e))?;
        if bytes.is_empty() {
            return Ok(line);
        }
        for byte in bytes {
            if records == record && (first || !matches!(byte, b'\n' | b'\r')) {
                return Ok(line);
            }
            first = false;
            match byte {
                b'"' => (quoted, blank) = (!quoted, false),
                b'\n' => {
                    line += 1;
                    // The reader does not count empty lines.
                    if !quoted && !blank {
                        (records, blank) = (records + 1, true);
                    }
                }
                b'\r' => {}
                _ => blank = false,
            }
        }
        let count = bytes.len();
        text.consume(count);
    }
}
