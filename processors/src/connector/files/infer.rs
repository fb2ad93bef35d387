//! The columns of files that nobody has declared, told by their first rows.

use std::fmt;
use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field};
use arrow::json::reader::infer_json_schema;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use millrace_events::ColumnType;

use super::columns::{FileColumn, Kind, plain};
use super::open::{bad_line, broken, open};
use super::source::FileSource;
use super::{FileFormat, convert, csv, parquet};
use crate::connector::ConnectorError;

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 100_000;
/// Bytes of JSON lines that are looked at.
const SAMPLE_BYTES: usize = 64 << 20;

/// The columns of `files`.
pub(super) fn columns(
    files: &[PathBuf],
    format: FileFormat,
    event_time: Option<&str>,
) -> Result<Vec<FileColumn>, ConnectorError> {
    let nothing = || ConnectorError::Rejected("there is no file to read".to_owned());
    let first = files.first().ok_or_else(nothing)?;
    let text = |name: String| FileColumn::optional(name, Kind::Event(ColumnType::String));
    let mut columns = match format {
        FileFormat::JsonLines => json_columns(files)?,
        FileFormat::Csv => csv::header(first)?.into_iter().map(text).collect(),
        FileFormat::Parquet => parquet::columns(first)?,
    };
    if let Some(missing) = event_time.filter(|time| columns.iter().all(|c| c.name != *time)) {
        let known: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        let known = known.join("`, `");
        return Err(broken(first, format!("there is no column `{missing}`; there are `{known}`")));
    }
    let sample = sample(files, format, &columns)?;
    for (column, values) in columns.iter_mut().zip(sample.columns()) {
        refine(column, values, format, event_time == Some(column.name.as_str()), first)?;
    }
    Ok(columns)
}

/// Gives a column the type that its values show.
fn refine(
    column: &mut FileColumn,
    values: &ArrayRef,
    format: FileFormat,
    is_event_time: bool,
    path: &Path,
) -> Result<(), ConnectorError> {
    if let Some(text) = values.as_string_opt::<i32>() {
        match format {
            FileFormat::Csv => column.kind = Kind::Event(convert::narrow(text)),
            // Parquet has a type for times: text there is meant to be text.
            FileFormat::Parquet if !is_event_time => {}
            FileFormat::JsonLines | FileFormat::Parquet => {
                if convert::are_times(text) {
                    column.kind = Kind::Event(ColumnType::TimestampUs);
                }
            }
        }
    }
    if !is_event_time || column.kind.is_time() {
        return Ok(());
    }
    let numbers = if column.kind == Kind::Event(ColumnType::Int64) {
        let numbers = match values.as_string_opt::<i32>() {
            Some(text) => convert::read(text, &column.kind).ok(),
            None => Some(ArrayRef::clone(values)),
        };
        numbers.as_ref().and_then(convert::times_of_numbers)
    } else {
        None
    };
    let time = numbers.ok_or_else(|| {
        let example = (0..values.len())
            .find(|row| values.is_valid(*row))
            .and_then(|row| arrow::util::display::array_value_to_string(values, row).ok());
        let (name, example) = (&column.name, example.unwrap_or_else(|| "NULL".to_owned()));
        broken(path, format!("column `{name}` is no time: `{example}`"))
    })?;
    column.kind = Kind::Event(time);
    Ok(())
}

fn sample(
    files: &[PathBuf],
    format: FileFormat,
    columns: &[FileColumn],
) -> Result<RecordBatch, ConnectorError> {
    let source = FileSource::of_columns(files.to_vec(), format, columns.to_vec(), None);
    let all: Vec<_> = (0..columns.len()).collect();
    let (mut batches, mut rows) = (Vec::new(), 0);
    for path in files {
        let mut file = source.rows(path, &all, None)?;
        while rows < SAMPLE_ROWS
            && let Some(batch) = file.next()?
        {
            rows += batch.num_rows();
            batches.push(batch);
        }
    }
    concat_batches(source.schema(), &batches).map_err(|e| broken(&files[0], e))
}

fn json_columns(files: &[PathBuf]) -> Result<Vec<FileColumn>, ConnectorError> {
    let (mut names, mut sample) = (Vec::new(), Vec::new());
    for path in files {
        let mut text = open(path, 0)?;
        let mut line = 0;
        while sample.len() < SAMPLE_BYTES && line < SAMPLE_ROWS as u64 {
            line += 1;
            let start = sample.len();
            let read = text.read_until(b'\n', &mut sample);
            if read.map_err(|e| bad_line(path, line, e))? == 0 {
                break;
            }
            if sample[start..].trim_ascii().is_empty() {
                sample.truncate(start);
                continue;
            }
            let Keys(keys) =
                serde_json::from_slice(&sample[start..]).map_err(|e| bad_line(path, line, e))?;
            for key in keys {
                if !names.contains(&key) {
                    names.push(key);
                }
            }
            if sample.last() != Some(&b'\n') {
                sample.push(b'\n');
            }
        }
    }
    let (schema, _) =
        infer_json_schema(Cursor::new(sample), None).map_err(|e| broken(&files[0], e))?;
    let column = |name: String| {
        let data_type = schema.field_with_name(&name).map(Field::data_type);
        let data_type = data_type.map_or(DataType::Utf8, plain);
        let kind = match &data_type {
            DataType::List(values) if values.data_type().is_numeric() => {
                Kind::Event(ColumnType::Float64List)
            }
            DataType::List(values) if values.data_type().is_null() => {
                Kind::Event(ColumnType::StringList)
            }
            other => Kind::of(other),
        };
        FileColumn::optional(name, kind)
    };
    Ok(names.into_iter().map(column).collect())
}

/// The keys of a JSON object, in order.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON object a line")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(Object)
    }
}
