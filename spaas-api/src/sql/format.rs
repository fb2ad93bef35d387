//! Rows as bytes: JSON, NDJSON, CSV, Parquet, Arrow and a table for people.

use std::io::Write;
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{JsonArray, LineDelimited, WriterBuilder};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::error::SqlError;
use super::rows::Rows;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns drawn with lines, for people.
    Table,
    /// One object: `schema`, `rows` (objects) and `truncated`.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated with a header line.
    Csv,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
}

/// Every format with its name and media type.
const FORMATS: [(Format, &str, &str); 6] = [
    (Format::Table, "table", "text/plain; charset=utf-8"),
    (Format::Json, "json", "application/json"),
    (Format::Ndjson, "ndjson", "application/x-ndjson"),
    (Format::Csv, "csv", "text/csv; charset=utf-8"),
    (Format::Parquet, "parquet", "application/vnd.apache.parquet"),
    (Format::Arrow, "arrow", "application/vnd.apache.arrow.stream"),
];

/// A format name nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{0}`; formats: table, json, ndjson, csv, parquet, arrow")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = FORMATS.iter().find(|(_, known, _)| *known == name);
        found.map(|(format, ..)| *format).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl Format {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        FORMATS.iter().find(|(f, ..)| *f == self).map_or("", |(.., media)| media)
    }

    /// The first format an `Accept` header asks for: JSON when it takes anything, none when it asks
    /// only for what there is not.
    pub fn accepted(accept: &str) -> Option<Self> {
        let wanted =
            accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        wanted.into_iter().find_map(|media| match media {
            "*/*" | "application/*" | "" => Some(Self::Json),
            "application/x-ndjson" | "application/jsonl" | "application/ndjson" => {
                Some(Self::Ndjson)
            }
            media => FORMATS
                .iter()
                .find(|(.., known)| known.split(';').next() == Some(media))
                .map(|(format, ..)| *format),
        })
    }
}

/// Turns batches into bytes piece by piece.
pub struct Encoder {
    schema: SchemaRef,
    state: State,
}

enum State {
    Table(Vec<RecordBatch>),
    Json { begun: bool },
    Ndjson,
    Csv { header: bool },
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Rows of a Parquet row group: what an encoder holds in memory at most.
const ROW_GROUP_ROWS: usize = 128 << 10;

impl Encoder {
    /// An encoder of rows with `schema`.
    ///
    /// # Errors
    /// When the format has no place for a column's type.
    pub fn new(format: Format, schema: SchemaRef) -> Result<Self, ArrowError> {
        let state = match format {
            Format::Table => State::Table(Vec::new()),
            Format::Json => State::Json { begun: false },
            Format::Ndjson => State::Ndjson,
            Format::Csv => State::Csv { header: true },
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
                State::Parquet(Box::new(writer))
            }
            Format::Arrow => State::Arrow(Box::new(StreamWriter::try_new(Vec::new(), &schema)?)),
        };
        Ok(Self { schema, state })
    }

    /// The bytes of one more batch; possibly none yet.
    ///
    /// # Errors
    /// When the format has no place for a value.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        match &mut self.state {
            State::Table(batches) => {
                batches.push(batch.clone());
                Ok(Vec::new())
            }
            State::Json { begun } => {
                let rows = json_rows(batch)?;
                if rows.is_empty() {
                    return Ok(rows);
                }
                let mut out = if *begun { b",\n".to_vec() } else { json_head(&self.schema) };
                *begun = true;
                out.extend_from_slice(&rows);
                Ok(out)
            }
            State::Ndjson => {
                let builder = WriterBuilder::new().with_explicit_nulls(true);
                let mut writer = builder.build::<_, LineDelimited>(Vec::new());
                writer.write(batch)?;
                writer.finish()?;
                Ok(writer.into_inner())
            }
            State::Csv { header } => csv(batch, std::mem::take(header)),
            State::Parquet(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.inner_mut()))
            }
            State::Arrow(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    /// The last bytes. `truncated` says whether rows were cut off; only JSON can tell.
    ///
    /// # Errors
    /// When the format has no place for a value.
    pub fn finish(self, truncated: bool) -> Result<Vec<u8>, ArrowError> {
        match self.state {
            State::Table(batches) => {
                let table =
                    arrow::util::pretty::pretty_format_batches_with_schema(self.schema, &batches)?;
                Ok(format!("{table}\n").into_bytes())
            }
            State::Json { begun } => {
                let mut out = if begun { Vec::new() } else { json_head(&self.schema) };
                out.extend_from_slice(format!("\n],\"truncated\":{truncated}}}\n").as_bytes());
                Ok(out)
            }
            State::Csv { header: true } => csv(&RecordBatch::new_empty(self.schema), true),
            State::Ndjson | State::Csv { .. } => Ok(Vec::new()),
            State::Parquet(writer) => Ok(writer.into_inner()?),
            State::Arrow(writer) => writer.into_inner(),
        }
    }
}

fn json_head(schema: &SchemaRef) -> Vec<u8> {
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|f| json!({ "name": f.name(), "type": f.data_type().to_string() }))
        .collect();
    format!("{{\"schema\":{},\"rows\":[\n", json!(columns)).into_bytes()
}

/// The rows as JSON objects with commas between, without the brackets around.
fn json_rows(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, JsonArray>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    let text = writer.into_inner();
    let inner = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or_default();
    Ok(inner.to_vec())
}

fn csv(batch: &RecordBatch, header: bool) -> Result<Vec<u8>, ArrowError> {
    let mut writer = arrow::csv::WriterBuilder::new().with_header(header).build(Vec::new());
    writer.write(batch)?;
    Ok(writer.into_inner())
}

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The question failed while its rows were read.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The format has no place for a type or value.
    #[error("the format cannot hold this: {0}")]
    Encode(#[from] ArrowError),
    /// The output failed.
    #[error("the rows could not be written: {0}")]
    Io(#[from] std::io::Error),
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows written.
    pub rows: usize,
    /// Whether there were more.
    pub truncated: bool,
}

/// Writes an answer as its rows come.
///
/// # Errors
/// See [`WriteError`]; what was written so far stays written.
pub async fn write_rows(
    format: Format,
    rows: &mut Rows,
    out: &mut (impl Write + Send),
) -> Result<Written, WriteError> {
    let mut encoder = Encoder::new(format, rows.schema())?;
    let mut written = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        written += batch.num_rows();
        out.write_all(&encoder.push(&batch)?)?;
    }
    out.write_all(&encoder.finish(rows.truncated())?)?;
    out.flush()?;
    Ok(Written { rows: written, truncated: rows.truncated() })
}

/// Writes batches that are already there.
///
/// # Errors
/// See [`WriteError`]; what was written so far stays written.
pub fn write_batches(
    format: Format,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    out: &mut impl Write,
) -> Result<Written, WriteError> {
    let mut encoder = Encoder::new(format, schema.clone())?;
    for batch in batches {
        out.write_all(&encoder.push(batch)?)?;
    }
    out.write_all(&encoder.finish(false)?)?;
    out.flush()?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    Ok(Written { rows, truncated: false })
}
