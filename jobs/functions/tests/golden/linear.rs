//! Sums of linear models: those of `millrace_bandit`, in any order, and taken back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Builder, ListBuilder};
use arrow::datatypes::{DataType, Field};

use millrace_bandit::{Context, LinearStats};

use super::function_rows::{function, result, state};

const ROWS: u32 = 50;

/// Contexts, some of which are none, and whether they were followed by a play.
fn rows() -> (Vec<ArrayRef>, Vec<(Option<Context>, bool)>) {
    let (mut lists, mut expected) = (ListBuilder::new(Float64Builder::new()), Vec::new());
    for row in 0..ROWS {
        let features: Vec<f64> = (1..=12).map(|i| (f64::from(row * i) * 0.37).sin()).collect();
        match row % 10 {
            7 => lists.append_null(),
            8 => lists.append_value([Some(1.0)]),
            9 => {
                let with_null = features.iter().skip(1).copied().map(Some);
                lists.append_value(std::iter::once(None).chain(with_null));
            }
            _ => lists.append_value(features.iter().copied().map(Some)),
        }
        let context = (row % 10 < 7).then(|| Context::from_logged(&features).expect("is one"));
        expected.push((context, row % 3 == 0));
    }
    let played: BooleanArray = expected.iter().map(|(_, played)| Some(*played)).collect();
    (vec![Arc::new(lists.finish()), Arc::new(played)], expected)
}

fn learnt(rows: &[(Option<Context>, bool)]) -> LinearStats {
    let mut stats = LinearStats::default();
    for (context, played) in rows {
        if let Some(context) = context {
            stats.add(context, *played);
        }
    }
    stats
}

#[test]
fn sums_are_those_of_the_bandit_in_any_order_and_after_taking_back() {
    let (args, expected) = rows();
    let first_half = learnt(&expected[..25]);
    for (name, expected) in
        [("gram_matrix", first_half.a_json()), ("weighted_sum", first_half.b_json())]
    {
        let function = function(name);
        assert!(function.retracts());
        let backwards: Vec<u32> = (0..ROWS).rev().collect();
        let mut whole = state(&*function, &args, &backwards[..30]);
        function.merge(&mut whole, &state(&*function, &args, &backwards[30..])).expect("merges");
        function.retract(&mut whole, &args, &(25..ROWS).collect::<Vec<_>>()).expect("was added");
        assert_eq!(result(&*function, &whole).as_string::<i32>().value(0), expected, "{name}");
    }
}

#[test]
fn nothing_to_learn_from_is_null() {
    let (args, _) = rows();
    for name in ["gram_matrix", "weighted_sum"] {
        let function = function(name);
        let none = state(&*function, &args, &[7, 8, 9]);
        assert!(result(&*function, &none).is_null(0), "{name}");
        assert!(result(&*function, &[]).is_null(0), "{name}");
    }
}

#[test]
fn other_arguments_are_refused() {
    let context = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
    let text = DataType::Utf8;
    assert!(function("gram_matrix").return_type(std::slice::from_ref(&context)).is_ok());
    assert!(function("weighted_sum").return_type(&[context.clone(), DataType::Int64]).is_ok());
    for (name, wrong) in [
        ("gram_matrix", vec![text.clone()]),
        ("gram_matrix", vec![]),
        ("weighted_sum", vec![context.clone()]),
        ("weighted_sum", vec![context, text]),
    ] {
        let error = function(name).return_type(&wrong).expect_err("is refused");
        assert!(error.to_string().contains("takes a context"), "{error}");
    }
}
