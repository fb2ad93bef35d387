//! Partitions of a table: values of a batch's rows, their folders, and splitting a batch by them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int32Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::settings::PartitionColumn;

/// Folder value of null, as Hive and Delta have it.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";
/// Longest encoded folder name; file systems take 255 bytes.
const MAX_FOLDER: usize = 200;
/// What stays as it is in a folder name. A dot may stay for a name always holds a `=`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');
const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// Names and values of one partition, outermost first.
pub(crate) type Values = Arc<[(String, Option<String>)]>;

/// Splits batches by their partition.
#[derive(Debug)]
pub(crate) struct Partitioner {
    columns: Vec<PartitionColumn>,
    /// Schema of the files: without partition columns.
    files: Arc<Schema>,
    /// Indices of the file columns in a stored batch.
    kept: Vec<usize>,
    converter: Option<RowConverter>,
}

/// Rows of one batch that belong to one partition.
#[derive(Debug)]
pub(crate) struct Part {
    /// Equal for equal partitions, over all batches.
    pub(crate) key: Box<[u8]>,
    pub(crate) rows: RecordBatch,
    /// Row of the part's first row in the batch that was split.
    first: usize,
}

impl Partitioner {
    /// For batches of `stored` columns. The error says which partition column cannot be one.
    pub(crate) fn new(stored: &Schema, columns: &[PartitionColumn]) -> Result<Self, String> {
        let mut fields = Vec::new();
        for column in columns {
            fields.push(SortField::new(value_type(stored, column)?));
        }
        let dropped = |f: &FieldRef| {
            columns.iter().any(|c| matches!(c, PartitionColumn::Column(name) if name == f.name()))
        };
        let kept: Vec<_> = stored
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, f)| !dropped(f))
            .map(|(i, _)| i)
            .collect();
        if kept.is_empty() {
            return Err("every column is a partition column; a file needs at least one".to_owned());
        }
        let files = stored.project(&kept).map_err(|e| e.to_string())?;
        let converter = if columns.is_empty() {
            None
        } else {
            Some(RowConverter::new(fields).map_err(|e| e.to_string())?)
        };
        Ok(Self { columns: columns.to_vec(), files: Arc::new(files), kept, converter })
    }

    /// Schema of the data files.
    pub(crate) fn files(&self) -> &Arc<Schema> {
        &self.files
    }

    /// Names of the partition columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name().to_owned()).collect()
    }

    /// Columns that are derived and not in the rows.
    pub(crate) fn derived(&self) -> Vec<Field> {
        let field = |c: &PartitionColumn| match c {
            PartitionColumn::Column(_) => None,
            PartitionColumn::EventDate(_) => Some(Field::new(c.name(), DataType::Date32, true)),
            PartitionColumn::EventHour(_) => Some(Field::new(c.name(), DataType::Int32, true)),
        };
        self.columns.iter().filter_map(field).collect()
    }

    /// `batch` by partition; the rows of each keep their order.
    pub(crate) fn split(&self, batch: &RecordBatch) -> Result<Vec<(Part, Values)>, ArrowError> {
        let Some(converter) = &self.converter else {
            let part = Part { key: Box::default(), rows: batch.clone(), first: 0 };
            return Ok(vec![(part, Values::default())]);
        };
        let values = self.values(batch)?;
        let data = batch.project(&self.kept)?;
        let rows = converter.convert_columns(&values)?;
        let mut groups: Vec<Vec<u32>> = Vec::new();
        let mut index: HashMap<&[u8], usize> = HashMap::new();
        let mut last: Option<(&[u8], usize)> = None;
        for (row, number) in (0_u32..).zip(0..rows.num_rows()) {
            let key = rows.row(number).data();
            // Neighbours are mostly in one partition: look before hashing.
            let group = match last {
                Some((same, group)) if same == key => group,
                _ => *index.entry(key).or_insert_with(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                }),
            };
            last = Some((key, group));
            groups[group].push(row);
        }
        let whole = groups.len() == 1;
        let part = |rows_of: Vec<u32>| {
            let first = rows_of.first().map_or(0, |r| *r as usize);
            let key = rows.row(first).data().into();
            let rows = if whole {
                data.clone()
            } else {
                own(&take_record_batch(&data, &UInt32Array::from(rows_of))?)?
            };
            let part = Part { key, rows, first };
            let values = self.describe(&values, part.first)?;
            Ok((part, values))
        };
        groups.into_iter().map(part).collect()
    }

    fn values(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let micros = |name: &str| {
            let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            cast(column(batch, name)?, &utc)
        };
        let value = |c: &PartitionColumn| match c {
            PartitionColumn::Column(name) => Ok(plain(column(batch, name)?)?),
            PartitionColumn::EventDate(name) => {
                let times = micros(name)?;
                let times = times.as_primitive::<TimestampMicrosecondType>();
                let day = |t: i64| i32::try_from(t.div_euclid(DAY_US)).ok();
                Ok(Arc::new(times.iter().map(|t| t.and_then(day)).collect::<Date32Array>()) as _)
            }
            PartitionColumn::EventHour(name) => {
                let times = micros(name)?;
                let times = times.as_primitive::<TimestampMicrosecondType>();
                let hour = |t: i64| i32::try_from(t.rem_euclid(DAY_US) / HOUR_US).ok();
                Ok(Arc::new(times.iter().map(|t| t.and_then(hour)).collect::<Int32Array>()) as _)
            }
        };
        self.columns.iter().map(value).collect()
    }

    /// Partition values as Delta's log writes them; an empty string is null there.
    fn describe(&self, values: &[ArrayRef], row: usize) -> Result<Values, ArrowError> {
        let text = |array: &ArrayRef| -> Result<Option<String>, ArrowError> {
            if array.is_null(row) {
                return Ok(None);
            }
            let text = if matches!(array.data_type(), DataType::Timestamp(_, _)) {
                let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
                chrono::DateTime::from_timestamp_micros(us)
                    .map(|t| t.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
            } else {
                let text = cast(&array.slice(row, 1), &DataType::Utf8)?;
                Some(text.as_string::<i32>().value(0).to_owned())
            };
            Ok(text.filter(|t| !t.is_empty()))
        };
        let names = self.columns.iter().map(|c| c.name().to_owned());
        names.zip(values).map(|(name, array)| Ok((name, text(array)?))).collect()
    }
}

/// Frees rows from the buffers of the batch they came from, which views share.
fn own(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |c: &ArrayRef| match c.data_type() {
        DataType::Utf8View => Arc::new(c.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(c.as_binary_view().gc()) as ArrayRef,
        _ => c.clone(),
    };
    RecordBatch::try_new(rows.schema(), rows.columns().iter().map(column).collect())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    let missing = || ArrowError::SchemaError(format!("partition column `{name}` is missing"));
    batch.column_by_name(name).ok_or_else(missing)
}

/// Views and dictionaries as plain arrays, empty strings as null.
fn plain(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let target = plain_type(array.data_type());
    let array = if *array.data_type() == target { array.clone() } else { cast(array, &target)? };
    if let Some(strings) = array.as_string_opt::<i32>()
        && strings.iter().flatten().any(str::is_empty)
    {
        let some = strings.iter().map(|s| s.filter(|s| !s.is_empty()));
        return Ok(Arc::new(some.collect::<arrow::array::StringArray>()));
    }
    Ok(array)
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        other => other.clone(),
    }
}

fn value_type(stored: &Schema, column: &PartitionColumn) -> Result<DataType, String> {
    let of = |name: &str| {
        let field = stored.field_with_name(name);
        field.map(Field::data_type).map_err(|_| format!("there is no column `{name}`"))
    };
    match column {
        PartitionColumn::Column(name) => match plain_type(of(name)?) {
            t @ (DataType::Utf8
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(_, _)) => Ok(t),
            other => Err(format!("column `{name}` ({other}) cannot be a partition column")),
        },
        PartitionColumn::EventDate(name) | PartitionColumn::EventHour(name) => {
            let data_type = of(name)?;
            if !matches!(data_type, DataType::Timestamp(_, _)) {
                return Err(format!("column `{name}` ({data_type}) is not a timestamp"));
            }
            let date = matches!(column, PartitionColumn::EventDate(_));
            Ok(if date { DataType::Date32 } else { DataType::Int32 })
        }
    }
}

/// The folder of a partition, empty or ending with a slash: `name=value/…`, escaped.
pub(crate) fn folder(values: &[(String, Option<String>)]) -> String {
    let mut folder = String::new();
    for (name, value) in values {
        let value = value.as_ref().map_or_else(|| NULL_FOLDER.into(), |v| escape(v));
        folder.push_str(&shorten(format!("{}={value}", escape(name))));
        folder.push('/');
    }
    folder
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Names are for people: the log holds the values. One too long for a file system is cut, and gets
/// a hash to stay distinct.
fn shorten(name: String) -> String {
    if name.len() <= MAX_FOLDER {
        return name;
    }
    let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).simple();
    format!("{}-{hash}", &name[..MAX_FOLDER - 33])
}

/// Partition values as the log's `add` has them.
pub(crate) fn in_log(values: &[(String, Option<String>)]) -> BTreeMap<String, Option<String>> {
    values.iter().cloned().collect()
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
