//! No row makes a function panic: NULL, negative, huge and not-a-number in every argument.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Float64Builder, Int64Array, ListBuilder,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Float64Type;
use proptest::prelude::*;

use super::function_rows::function;

const ROWS: usize = 24;

fn whole() -> impl Strategy<Value = Option<i64>> {
    let edge = prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, 60, i64::MAX]);
    prop_oneof![2 => edge.prop_map(Some), 1 => any::<Option<i64>>()]
}

fn real() -> impl Strategy<Value = Option<f64>> {
    use prop::num::f64::ANY;
    let edge = [f64::NAN, f64::INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE, -1.0, 0.5, 1.0];
    let edge = prop::sample::select(edge.to_vec());
    prop_oneof![2 => edge.prop_map(Some), 1 => prop::option::of(ANY)]
}

fn text() -> impl Strategy<Value = Option<String>> {
    let long = Just(Some("ü".repeat(40_000)));
    prop_oneof![
        4 => prop::option::of("[a-c]{0,2}"), 1 => any::<Option<String>>(), 1 => long
    ]
}

/// Columns of hostile values: whole numbers, reals, texts, booleans.
type Columns = (Vec<Option<i64>>, Vec<Option<f64>>, Vec<Option<String>>, Vec<Option<bool>>);

fn columns() -> impl Strategy<Value = Columns> {
    let of = |count: usize| ROWS * count;
    (
        prop::collection::vec(whole(), of(6)),
        prop::collection::vec(real(), of(2)),
        prop::collection::vec(text(), of(2)),
        prop::collection::vec(any::<Option<bool>>(), of(1)),
    )
}

/// Deals the columns out to a function's arguments by a letter for each: `t`ime, `n`umber, `r`eal,
/// te`x`t, `b`oolean, `c`ontext, `v`erdict.
fn args(form: &str, (wholes, reals, texts, flags): &Columns) -> Vec<ArrayRef> {
    let mut numbers = wholes.chunks(ROWS);
    let mut reals_of = reals.chunks(ROWS);
    let mut texts_of = texts.chunks(ROWS);
    let arg = |kind: char| -> ArrayRef {
        match kind {
            't' => {
                let times = numbers.next().expect("enough").to_vec();
                Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
            }
            'n' => Arc::new(Int64Array::from(numbers.next().expect("enough").to_vec())),
            'r' => Arc::new(Float64Array::from(reals_of.next().expect("enough").to_vec())),
            'x' => Arc::new(StringArray::from(texts_of.next().expect("enough").to_vec())),
            'b' => Arc::new(BooleanArray::from(flags.clone())),
            'v' => {
                let verdict = |flag: &Option<bool>| flag.map(|f| if f { "good" } else { "bad" });
                Arc::new(flags.iter().map(verdict).collect::<StringArray>())
            }
            'c' => {
                let mut lists = ListBuilder::new(Float64Builder::new());
                for row in 0..ROWS {
                    // Every other one is a context.
                    let feature = |at: usize| reals[(row + at) % reals.len()];
                    let known = |at| feature(at).filter(|f| !f.is_nan());
                    let bounded = |at| known(at).map_or(1.0, |f| f.clamp(-1.0, 1.0));
                    let one = |at| if row % 2 == 0 { Some(bounded(at)) } else { feature(at) };
                    lists.append_value((0..12).map(one));
                }
                Arc::new(lists.finish())
            }
            other => unreachable!("no column of kind {other}"),
        }
    };
    form.chars().map(arg).collect()
}

/// What a result must be, whatever came in.
fn sound(name: &str, result: &ArrayRef) -> bool {
    match name {
        "decayed_count" => {
            let count = result.as_primitive::<Float64Type>();
            count.is_null(0) || count.value(0).is_finite()
        }
        "gram_matrix" | "weighted_sum" => {
            let text = result.as_string::<i32>();
            text.is_null(0) || !text.value(0).contains("null")
        }
        "covered_seconds" => result.as_primitive::<arrow::datatypes::Int64Type>().value(0) >= 0,
        _ => true,
    }
}

const FORMS: [(&str, &str); 13] = [
    ("appliance_health", "txvnnn"),
    ("decayed_count", "tr"),
    ("latest_time", "t"),
    ("gram_matrix", "c"),
    ("weighted_sum", "cr"),
    ("covered_seconds", "nn"),
    ("pack_older", "nntnxr"),
    ("only_value", "x"),
    ("sorted_list", "x"),
    ("watch_history", "nbtxnnnnx"),
    ("latest_string", "xtx"),
    ("latest_bigint", "ntx"),
    ("latest_double", "rtx"),
];

#[test]
fn every_function_is_tried() {
    let mut names: Vec<_> =
        millrace_functions::aggregates().iter().map(|f| f.name().to_owned()).collect();
    let mut tried: Vec<_> = FORMS.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    tried.sort();
    assert_eq!(names, tried);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_may_hold_anything(columns in columns(), cut in 1..ROWS) {
        let rows: Vec<u32> = (0..u32::try_from(ROWS).expect("few")).collect();
        for (name, form) in FORMS {
            let (function, args) = (function(name), args(form, &columns));
            let (some, others) = rows.split_at(cut);
            let (mut one, mut two) = (Vec::new(), Vec::new());
            function.update(&mut one, &args, some).expect("any row is taken");
            function.update(&mut two, &args, others).expect("any row is taken");
            function.merge(&mut one, &two).expect("states merge");
            let result = function.finish(&[&one, &[]]).expect("a state has a result");
            prop_assert!(sound(name, &result), "{name}: {result:?}");
            if function.retracts() {
                function.retract(&mut one, &args, some).expect("the rows were added");
                let result = function.finish(&[&one]).expect("a state has a result");
                prop_assert!(sound(name, &result), "{name}: {result:?}");
            }
        }
    }
}
