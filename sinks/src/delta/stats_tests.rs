//! Tests of file statistics against the rows they describe.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::*;

fn stats(columns: Vec<(&str, ArrayRef)>, rows_per_group: usize) -> Value {
    let batch = RecordBatch::try_from_iter(columns).expect("consistent");
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group)).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("opens");
    writer.write(&batch).expect("writes");
    let metadata = writer.close().expect("closes");
    serde_json::from_str(&of(&metadata)).expect("is JSON")
}

#[test]
fn bounds_cover_every_row_group() {
    let found = stats(
        vec![
            ("i", Arc::new(Int32Array::from(vec![Some(5), None, Some(-7), Some(1)]))),
            ("f", Arc::new(Float64Array::from(vec![0.5, 2.0, -1.5, 1.0]))),
            ("d", Arc::new(Date32Array::from(vec![0, -1, 19_000, 1]))),
            ("s", Arc::new(StringArray::from(vec!["b", "a", "ä", "z"]))),
            ("b", Arc::new(BooleanArray::from(vec![true, false, true, true]))),
            ("x", Arc::new(BinaryArray::from(vec![&b"\xff"[..], b"", b"a", b"b"]))),
            (
                "t",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![1_500, -1, 1_000_001, 0])
                        .with_timezone("UTC"),
                ),
            ),
        ],
        2,
    );
    assert_eq!(
        found,
        json!({
            "numRecords": 4,
            "minValues": {
                "i": -7, "f": -1.5, "d": "1969-12-31", "s": "a", "t": "1969-12-31T23:59:59.999Z"
            },
            "maxValues": {
                "i": 5, "f": 2.0, "d": "2022-01-08", "s": "ä", "t": "1970-01-01T00:00:01.001Z"
            },
            "nullCount": { "i": 1, "f": 0, "d": 0, "s": 0, "b": 0, "x": 0, "t": 0 }
        })
    );
}

#[test]
fn nulls_alone_have_no_bounds() {
    let found = stats(vec![("i", Arc::new(Int32Array::from(vec![None, None])))], 1);
    assert_eq!(found["nullCount"], json!({ "i": 2 }));
    assert_eq!(found["minValues"], json!({}));
}

#[test]
fn a_group_of_nulls_does_not_hide_the_others() {
    let found = stats(vec![("i", Arc::new(Int32Array::from(vec![None, Some(3)])))], 1);
    assert_eq!((&found["minValues"]["i"], &found["maxValues"]["i"]), (&json!(3), &json!(3)));
}

#[test]
fn a_bound_that_cannot_be_raised_is_omitted() {
    assert_eq!(upper_bound(&"\u{10ffff}".repeat(40)), None);
    assert_eq!(upper_bound(&"a".repeat(40)), Some("a".repeat(31) + "b"));
}

proptest! {
    #[test]
    fn string_bounds_hold(
        values in prop::collection::vec("\\PC{0,80}", 1..6),
        group in 1_usize..4,
    ) {
        let found = stats(vec![("s", Arc::new(StringArray::from(values.clone())))], group);
        let low = found["minValues"]["s"].as_str();
        let high = found["maxValues"]["s"].as_str();
        for value in &values {
            prop_assert!(low.is_none_or(|l| l <= value.as_str()), "{low:?} {value:?}");
            prop_assert!(high.is_none_or(|h| h >= value.as_str()), "{high:?} {value:?}");
        }
        prop_assert!(low.is_some_and(|l| l.chars().count() <= MAX_CHARS));
        prop_assert!(high.is_none_or(|h| h.chars().count() <= MAX_CHARS));
    }
}
