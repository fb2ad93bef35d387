//! `LATEST_…`: the newest row, whichever way the rows come.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;

use super::function_rows::{function, result, shuffled, state};

fn latest(name: &str, values: ArrayRef, places: &[(i64, Option<&str>)]) -> String {
    let at = TimestampMicrosecondArray::from_iter_values(places.iter().map(|(at, _)| *at));
    let ids: StringArray = places.iter().map(|(_, id)| *id).collect();
    let function = function(name);
    let rows: Vec<u32> = (0..u32::try_from(places.len()).expect("few")).collect();
    let state = state(function.as_ref(), &[values, Arc::new(at), Arc::new(ids)], &rows);
    array_value_to_string(&result(function.as_ref(), &state), 0).expect("it has a text")
}

#[test]
fn the_newest_row_that_has_an_id_counts() {
    let texts = |of: [Option<&str>; 3]| Arc::new(StringArray::from(of.to_vec())) as ArrayRef;
    let abc = [Some("a"), Some("b"), Some("c")];
    let cases = [
        (abc, [(1, Some("x")), (3, Some("x")), (2, Some("x"))], "b"),
        (abc, [(1, Some("x")), (1, Some("z")), (1, Some("y"))], "b"),
        (abc, [(1, Some("x")), (3, None), (2, Some("x"))], "c"),
        (abc, [(1, None), (3, None), (2, None)], ""),
        ([Some("a"), None, Some("c")], [(1, Some("x")), (3, Some("x")), (2, Some("x"))], ""),
    ];
    for (values, places, expected) in cases {
        assert_eq!(latest("latest_string", texts(values), &places), expected, "{places:?}");
    }
    let places = [(1, Some("x")), (2, Some("x"))];
    assert_eq!(latest("latest_bigint", Arc::new(Int32Array::from(vec![7, -8])), &places), "-8");
    assert_eq!(latest("latest_double", Arc::new(Int64Array::from(vec![7, 9])), &places), "9.0");
}

#[test]
fn other_arguments_are_told() {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let wrong = function("latest_bigint").return_type(&[DataType::Utf8, time, DataType::Utf8]);
    assert!(wrong.expect_err("a text is no number").to_string().contains("latest_bigint takes"));
}

proptest! {
    #[test]
    fn order_repetition_and_parts_do_not_matter(
        places in proptest::collection::vec((0_i64..5, 0..4_u8, 0_i64..3), 1..20),
        seed: u64,
    ) {
        let function = function("latest_bigint");
        let at = TimestampMicrosecondArray::from_iter_values(places.iter().map(|(at, ..)| *at));
        let ids = StringArray::from_iter_values(places.iter().map(|(_, id, _)| id.to_string()));
        let values = Int64Array::from_iter_values(places.iter().map(|(.., value)| *value));
        let args: [ArrayRef; 3] = [Arc::new(values), Arc::new(at), Arc::new(ids)];
        let rows: Vec<u32> = (0..u32::try_from(places.len()).expect("few")).collect();
        let at_once = state(function.as_ref(), &args, &rows);
        prop_assert_eq!(&at_once, &shuffled(function.as_ref(), &args, &rows, seed));
        let newest = places.iter().max().expect("there is one").2;
        let found = array_value_to_string(&result(function.as_ref(), &at_once), 0);
        prop_assert_eq!(found.expect("it has a text"), newest.to_string());
    }
}
