//! Rows as JSON, and whether two sets of them are the same.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef, TimestampMicrosecondType};
use arrow::json::LineDelimitedWriter;
use serde_json::{Map, Value};

/// A row without its null columns.
pub(crate) type Row = Map<String, Value>;

/// Of two numbers that are the same, the difference is at most this share of the greater one.
const TOLERANCE: f64 = 1e-9;

/// The rows of a batch as a feed or table shows them.
pub(crate) fn of_batch(batch: &RecordBatch) -> Vec<Row> {
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    writer.write(batch).expect("rows can be written as JSON");
    writer.finish().expect("memory does not fail");
    of_text(&String::from_utf8(text).expect("JSON is text"))
}

/// The rows of JSON lines.
pub(crate) fn of_text(text: &str) -> Vec<Row> {
    let line = |line: &str| match serde_json::from_str(line) {
        Ok(Value::Object(row)) => row.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => panic!("not a JSON object: {line}: {other:?}"),
    };
    text.lines().filter(|text| !text.trim().is_empty()).map(line).collect()
}

/// Rows in one form and order, so that equal sets of rows are equal line by line.
pub(crate) fn normal(mut rows: Vec<Row>, schema: &SchemaRef) -> Vec<Row> {
    for row in &mut rows {
        for (name, value) in row.iter_mut() {
            if let Ok(field) = schema.field_with_name(name) {
                normalise(value, field);
            }
        }
    }
    rows.sort_by_cached_key(|row| {
        let (exact, inexact): (Vec<_>, Vec<_>) =
            row.iter().partition(|(_, value)| !is_inexact(value));
        (format!("{exact:?}"), format!("{inexact:?}"))
    });
    rows
}

/// Times as microseconds, numbers of floating columns as such, texts that are JSON as that.
fn normalise(value: &mut Value, field: &Field) {
    match (field.data_type(), &value) {
        (DataType::Timestamp(..), Value::String(text)) => {
            let text = StringArray::from(vec![text.as_str()]);
            let micros = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
            let micros = cast(&text, &micros).expect("text can be a time");
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            if micros.is_valid(0) {
                *value = Value::from(micros.value(0));
            }
        }
        (DataType::Float64 | DataType::Float32, Value::Number(number)) => {
            *value = Value::from(number.as_f64());
        }
        (DataType::Utf8, Value::String(text)) if text.starts_with(['{', '[']) => {
            if let Ok(inner) = serde_json::from_str(text) {
                *value = inner;
            }
        }
        _ => {}
    }
}

fn is_inexact(value: &Value) -> bool {
    value.is_array() || value.is_object() || value.is_f64()
}

/// Whether two values are the same, floating numbers up to [`TOLERANCE`].
pub(crate) fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(m), Value::Number(n)) if m.is_f64() || n.is_f64() => {
            let (Some(m), Some(n)) = (m.as_f64(), n.as_f64()) else { return false };
            (m - n).abs() <= TOLERANCE * m.abs().max(n.abs()).max(1.0)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => same_row(a, b),
        _ => a == b,
    }
}

fn same_row(a: &Row, b: &Row) -> bool {
    a.len() == b.len()
        && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| alike(value, other)))
}

/// What is wrong with `got`, if it is not `expected`; both in normal form.
pub(crate) fn difference(got: &[Row], expected: &[Row]) -> Option<String> {
    let same = got.len() == expected.len()
        && got.iter().zip(expected).all(|(got, expected)| same_row(got, expected));
    if same {
        return None;
    }
    let left_over = |rows: &[Row], others: &[Row]| {
        let alone = rows.iter().filter(|row| !others.iter().any(|other| same_row(row, other)));
        let lines = alone.take(5).map(|row| Value::Object(row.clone()).to_string());
        lines.collect::<Vec<_>>().join("\n  ")
    };
    Some(format!(
        "{} rows instead of {}\nnot expected, first 5:\n  {}\nexpected and not there, first 5:\n  {}",
        got.len(),
        expected.len(),
        left_over(got, expected),
        left_over(expected, got)
    ))
}
