//! Rows of `dead_letters`: from letters to columns and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Fields, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::error::ArrowError;

use millrace_events::{DeadLetter, Header, Offset, RouteName, TopicPartition};

use super::settings::DeadLetterRow;

/// Columns of the table.
pub(crate) fn columns() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        field("route", DataType::Utf8),
        field("topic", DataType::Utf8),
        field("partition", DataType::Int32),
        field("offset", DataType::Int64),
        field("timestamp", time()),
        field("key", DataType::Binary),
        field("value", DataType::Binary),
        field("headers", DataType::List(header_item())),
        field("reason", DataType::Utf8),
        field("dead_at", time()),
    ]))
}

fn header_item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Struct(header_fields()), true))
}

fn header_fields() -> Fields {
    let name = Field::new("name", DataType::Utf8, true);
    vec![name, Field::new("value", DataType::Binary, true)].into()
}

/// `letters` of `route` as rows.
pub(crate) fn batch(
    route: &RouteName,
    letters: &[&DeadLetter],
    now_ms: i64,
) -> Result<RecordBatch, ArrowError> {
    let strings = |f: &dyn Fn(&DeadLetter) -> String| -> ArrayRef {
        Arc::new(letters.iter().map(|l| Some(f(l))).collect::<StringArray>())
    };
    let times = |f: &dyn Fn(&DeadLetter) -> i64| -> ArrayRef {
        let micros = letters.iter().map(|l| f(l).saturating_mul(1000));
        Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
    };
    let keys = letters.iter().map(|l| l.key.as_deref()).collect::<BinaryArray>();
    let values = letters.iter().map(|l| l.value.as_deref()).collect::<BinaryArray>();
    RecordBatch::try_new(
        columns(),
        vec![
            strings(&|_| route.as_str().to_owned()),
            strings(&|l| l.tp.topic.to_string()),
            Arc::new(Int32Array::from_iter_values(letters.iter().map(|l| l.tp.partition.0))),
            Arc::new(Int64Array::from_iter_values(letters.iter().map(|l| l.offset.0))),
            times(&|l| l.timestamp_ms),
            Arc::new(keys),
            Arc::new(values),
            Arc::new(headers(letters)?),
            strings(&|l| l.reason.clone()),
            times(&|_| now_ms),
        ],
    )
}

fn headers(letters: &[&DeadLetter]) -> Result<ListArray, ArrowError> {
    let offsets = OffsetBuffer::from_lengths(letters.iter().map(|l| l.headers.len()));
    let all = || letters.iter().flat_map(|l| &l.headers);
    let names = all().map(|h| Some(h.name.as_str())).collect::<StringArray>();
    let values = all().map(|h| h.value.as_deref()).collect::<BinaryArray>();
    let items =
        StructArray::try_new(header_fields(), vec![Arc::new(names), Arc::new(values)], None)?;
    ListArray::try_new(header_item(), offsets, Arc::new(items), None)
}

/// The rows of a batch read from the table, whatever string and binary types the reader chose.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<DeadLetterRow>, ArrowError> {
    let column = |name: &str| {
        let schema = columns();
        let missing = || ArrowError::SchemaError(format!("`dead_letters` has no column `{name}`"));
        cast(
            batch.column_by_name(name).ok_or_else(missing)?,
            schema.field_with_name(name)?.data_type(),
        )
    };
    let (route, topic, reason) = (column("route")?, column("topic")?, column("reason")?);
    let (partition, offset) = (column("partition")?, column("offset")?);
    let (timestamp, dead_at) = (column("timestamp")?, column("dead_at")?);
    let (key, value, headers) = (column("key")?, column("value")?, column("headers")?);
    let text = |a: &ArrayRef, row: usize| a.as_string::<i32>().value(row).to_owned();
    let bytes = |a: &ArrayRef, row: usize| {
        a.is_valid(row).then(|| a.as_binary::<i32>().value(row).to_vec())
    };
    let ms = |a: &ArrayRef, row| a.as_primitive::<TimestampMicrosecondType>().value(row) / 1000;
    let letter = |row: usize| {
        let route = text(&route, row);
        let route = route.parse().map_err(|e| ArrowError::ExternalError(Box::new(e)))?;
        let partition = partition.as_primitive::<Int32Type>().value(row);
        let letter = DeadLetter {
            tp: TopicPartition::new(text(&topic, row), partition),
            offset: Offset(offset.as_primitive::<Int64Type>().value(row)),
            timestamp_ms: ms(&timestamp, row),
            key: bytes(&key, row),
            value: bytes(&value, row),
            headers: headers_of(headers.as_list::<i32>(), row),
            reason: text(&reason, row),
        };
        Ok(DeadLetterRow { route, dead_at_ms: ms(&dead_at, row), letter })
    };
    (0..batch.num_rows()).map(letter).collect()
}

fn headers_of(list: &ListArray, row: usize) -> Vec<Header> {
    if list.is_null(row) {
        return Vec::new();
    }
    let items = list.value(row);
    let (names, values) = (items.as_struct().column(0), items.as_struct().column(1));
    let header = |i: usize| Header {
        name: names.as_string::<i32>().value(i).to_owned(),
        value: values.is_valid(i).then(|| values.as_binary::<i32>().value(i).to_vec().into()),
    };
    (0..items.len()).map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_survive_the_table() {
        let header = |name: &str, value: Option<&'static [u8]>| Header {
            name: name.into(),
            value: value.map(Into::into),
        };
        let plain = DeadLetter {
            tp: TopicPartition::new("t", 3),
            offset: Offset(7),
            timestamp_ms: 1_700_000_000_123,
            key: None,
            value: Some(vec![0xff, 0]),
            headers: vec![],
            reason: "not JSON".into(),
        };
        let full = DeadLetter {
            key: Some(vec![]),
            value: None,
            headers: vec![header("a", Some(b"\xfe")), header("a", None)],
            ..plain.clone()
        };
        let route: RouteName = "r".parse().expect("valid");
        let batch = batch(&route, &[&plain, &full], 5).expect("builds");
        let back = rows(&batch).expect("reads");
        let row = |letter| DeadLetterRow { route: route.clone(), dead_at_ms: 5, letter };
        assert_eq!(back, [row(plain), row(full)]);
    }
}
