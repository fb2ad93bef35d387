//! Input that cannot be evaluated is refused with what is wrong and where.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};

use super::log::{Logged, from_batches};
use super::target::from_file;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

#[test]
fn columns_are_taken_by_name_and_as_numbers() {
    let found = from_batches(&[batch(vec![
        ("reward", Arc::new(Int32Array::from(vec![1, 0]))),
        ("propensity", Arc::new(Float64Array::from(vec![0.5, 0.25]))),
        ("action", Arc::new(StringArray::from(vec!["7", "8"]))),
        ("title", Arc::new(Int64Array::from(vec![3, 4]))),
    ])]);
    let row = |title, action, propensity, reward| Logged {
        title,
        action,
        rank: 0,
        propensity,
        reward,
        target: None,
    };
    assert_eq!(found.expect("sound"), [row(3, 7, 0.5, 1.0), row(4, 8, 0.25, 0.0)]);
}

#[test]
fn a_question_without_what_is_needed_is_told_what() {
    let action = || ("action", Arc::new(Int64Array::from(vec![1])) as ArrayRef);
    let propensity = |value| ("propensity", Arc::new(Float64Array::from(vec![value])) as ArrayRef);
    for (columns, said) in [
        (vec![action()], "no column `propensity` (they have action)"),
        (
            vec![action(), propensity(None)],
            "column `propensity` of --sql is null, or no number, in 1 rows",
        ),
        (
            vec![action(), propensity(Some(0.5))],
            "no column `reward` (they have action, propensity)",
        ),
    ] {
        let error = from_batches(&[batch(columns)]).expect_err("something is missing");
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = from_batches(&[]).expect_err("no rows");
    assert!(error.to_string().contains("answered no rows"), "{error}");
}

#[test]
fn parameters_are_rows_of_the_feed() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let read = |text: &str, one_title| {
        std::fs::write(file.path(), text).expect("writable");
        from_file(file.path(), one_title).map_err(|error| format!("{error:#}"))
    };
    let rows = "{\"title_id\":1,\"artwork_id\":10,\"version\":3,\"alpha\":2.0,\"beta\":3.5}\n\n\
                {\"title_id\":2,\"artwork_id\":20,\"alpha\":1,\"beta\":1}\n";
    let found = read(rows, false).expect("sound");
    assert!((found[&1][&10].beta - 3.5).abs() < 1e-15);
    assert_eq!(found.len(), 2);
    assert_eq!(read(rows, true).expect("sound")[&0].len(), 2);

    let error = read("{\"artwork_id\":1,\"alpha\":0,\"beta\":1}", true).expect_err("0");
    assert!(error.contains("line 1: alpha and beta must be above 0"), "{error}");
    let error = read("\n{\"artwork_id\":1}", true).expect_err("incomplete");
    assert!(error.contains("line 2: missing field `alpha`"), "{error}");
    assert!(read("", true).expect_err("empty").contains("has no parameters"));
}
