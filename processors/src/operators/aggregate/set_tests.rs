//! What each aggregate function makes of rows, whole, in parts, and taken back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringArray,
};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;

use millrace_plan::{AggregateCall, AggregateFn, AggregateFunction};

use super::set::Input;
use super::{AggregateSet, Distinct};
use crate::JobError;
use crate::operators::testing::{instants, longs, texts};

/// Product of Int64, NULL of nothing; its state is the product as 8 bytes.
#[derive(Debug)]
struct Product;

fn number(state: &[u8]) -> i64 {
    state.try_into().map_or(1, i64::from_le_bytes)
}

impl AggregateFunction for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        assert_eq!(args[0].len(), rows.len(), "what looks at whole columns costs its rows only");
        let values = args[0].as_primitive::<arrow::datatypes::Int64Type>();
        let rows = rows.iter().filter(|row| values.is_valid(**row as usize));
        let product = rows.fold(number(state), |all, row| all * values.value(*row as usize));
        *state = product.to_le_bytes().to_vec();
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        *state = (number(state) * number(other)).to_le_bytes().to_vec();
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        assert_eq!(args[0].len(), rows.len(), "what looks at whole columns costs its rows only");
        let values = args[0].as_primitive::<arrow::datatypes::Int64Type>();
        let quotient =
            rows.iter().fold(number(state), |all, row| all / values.value(*row as usize));
        *state = quotient.to_le_bytes().to_vec();
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let value = |state: &&[u8]| (!state.is_empty()).then(|| number(state));
        Ok(Arc::new(states.iter().map(value).collect::<Int64Array>()))
    }
}

fn call(function: AggregateFn, of: &DataType, output: DataType) -> AggregateCall {
    AggregateCall {
        function,
        args: vec![0],
        arg_types: vec![of.clone()],
        distinct: false,
        filter: None,
        output,
        name: "result".to_owned(),
    }
}

fn text(column: &dyn Array) -> Vec<String> {
    let value = |row| {
        if column.is_null(row) {
            return "null".to_owned();
        }
        array_value_to_string(column, row).unwrap()
    };
    (0..column.len()).map(value).collect()
}

/// Results by group, aggregated whole; also in parts merged as bytes and as states.
fn results(call: &AggregateCall, columns: &[ArrayRef], groups: &[u32]) -> Vec<String> {
    let (set, sets) = AggregateSet::new(std::slice::from_ref(call), Distinct::States).unwrap();
    assert!(sets.is_empty());
    let count = groups.iter().max().map_or(0, |max| *max as usize + 1);
    let mut whole = set.states();
    whole.reset(count);
    let input = Input { columns, groups, retracts: None, news: &[] };
    set.update(&input, &mut whole).unwrap();
    let expected = text(&set.finish(&whole).unwrap()[0]);

    let mut bytes = vec![Vec::new(); count];
    let mut merged = set.states();
    merged.reset(count);
    for row in 0..groups.len() {
        let alone: Vec<ArrayRef> = columns.iter().map(|column| column.slice(row, 1)).collect();
        let mut states = set.states();
        states.reset(1);
        let input = Input { columns: &alone, groups: &[0], retracts: None, news: &[] };
        set.update(&input, &mut states).unwrap();
        set.merge_into(&mut bytes[groups[row] as usize], &states, 0).unwrap();
        let mut one = Vec::new();
        states.encode(0, &mut one);
        set.merge_from(&mut merged, groups[row] as usize, &one).unwrap();
    }
    let mut restored = set.states();
    for state in &bytes {
        restored.push(state);
    }
    assert_eq!(text(&set.finish(&restored).unwrap()[0]), expected, "merged as bytes");
    assert_eq!(text(&set.finish(&merged).unwrap()[0]), expected, "merged as states");
    expected
}

/// Group 0: all rows but the last two; group 1: one row; group 2: only NULL.
const GROUPS: [u32; 6] = [0, 0, 0, 0, 1, 2];

type Case<'a> = (AggregateFn, &'a ArrayRef, DataType, [&'a str; 3]);

fn check(cases: Vec<Case<'_>>) {
    for (function, column, output, expected) in cases {
        let case = format!("{function:?} over {}", column.data_type());
        let call = call(function, column.data_type(), output);
        assert_eq!(results(&call, std::slice::from_ref(column), &GROUPS), expected, "{case}");
    }
}

fn five(values: [i64; 4]) -> [Option<i64>; 6] {
    [Some(values[0]), None, Some(values[1]), Some(values[2]), Some(values[3]), None]
}

fn as_type(column: &ArrayRef, of: &DataType) -> ArrayRef {
    arrow::compute::cast(column, of).unwrap()
}

#[test]
fn functions_of_numbers() {
    use AggregateFn::{Avg, Count, CountRows, First, Last, Max, Min, Moments, Sum};
    let (long, double) = (&DataType::Int64, &DataType::Float64);
    let moments = |root, sample| Moments { root, sample };
    let longs = longs(five([2, 8, 5, -3]));
    let ints = as_type(&longs, &DataType::Int32);
    let unsigned = crate::operators::testing::longs(five([2, 8, 5, 3]));
    let unsigned = as_type(&unsigned, &DataType::UInt64);
    let doubles = [Some(2.0), None, Some(8.0), Some(5.0), Some(f64::NAN), None];
    let doubles: ArrayRef = Arc::new(Float64Array::from(doubles.to_vec()));
    let cents = Decimal128Array::from_iter(five([200, 800, 501, -300]).map(|v| v.map(i128::from)));
    let cents: ArrayRef = Arc::new(cents.with_precision_and_scale(10, 2).unwrap());
    check(vec![
        (CountRows, &longs, long.clone(), ["4", "1", "1"]),
        (Count, &longs, long.clone(), ["3", "1", "0"]),
        (Sum, &longs, long.clone(), ["15", "-3", "null"]),
        (Sum, &ints, long.clone(), ["15", "-3", "null"]),
        (Sum, &unsigned, DataType::UInt64, ["15", "3", "null"]),
        (Sum, &doubles, double.clone(), ["15.0", "NaN", "null"]),
        (Sum, &cents, DataType::Decimal128(20, 2), ["15.01", "-3.00", "null"]),
        (Min, &longs, long.clone(), ["2", "-3", "null"]),
        (Max, &longs, long.clone(), ["8", "-3", "null"]),
        (Max, &ints, DataType::Int32, ["8", "-3", "null"]),
        (Min, &doubles, double.clone(), ["2.0", "NaN", "null"]),
        (Max, &doubles, double.clone(), ["8.0", "NaN", "null"]),
        (Min, &cents, DataType::Decimal128(10, 2), ["2.00", "-3.00", "null"]),
        (Avg, &longs, double.clone(), ["5.0", "-3.0", "null"]),
        (Avg, &longs, long.clone(), ["5", "-3", "null"]),
        (Avg, &cents, DataType::Decimal128(14, 6), ["5.003333", "-3.000000", "null"]),
        (First, &longs, long.clone(), ["2", "-3", "null"]),
        (Last, &longs, long.clone(), ["5", "-3", "null"]),
        (moments(false, false), &longs, double.clone(), ["6.0", "0.0", "null"]),
        (moments(false, true), &longs, double.clone(), ["9.0", "null", "null"]),
        (moments(true, true), &longs, double.clone(), ["3.0", "null", "null"]),
        (AggregateFn::Registered(Arc::new(Product)), &longs, long.clone(), ["80", "-3", "1"]),
    ]);
}

#[test]
fn functions_of_other_types() {
    use AggregateFn::{And, ArrayAgg, First, ListAgg, Max, Min, Or};
    let (string, truth) = (&DataType::Utf8, &DataType::Boolean);
    let words = texts([Some("b"), None, Some(""), Some("c"), Some("x"), None]);
    let flags = [Some(true), None, Some(false), Some(true), Some(true), None];
    let flags: ArrayRef = Arc::new(BooleanArray::from(flags.to_vec()));
    let longs = longs(five([2, 8, 5, -3]));
    let days = longs_as_days();
    let times = instants(five([2_000_000, 0, 5_000_000, 1]));
    let latest = ["1970-01-01T00:00:05Z", "1970-01-01T00:00:00.000001Z", "null"];
    let list = DataType::new_list(DataType::Int64, true);
    check(vec![
        (Max, &words, string.clone(), ["c", "x", "null"]),
        (Min, &words, string.clone(), ["", "x", "null"]),
        (First, &words, string.clone(), ["b", "x", "null"]),
        (ListAgg { separator: ", ".to_owned() }, &words, string.clone(), ["b, , c", "x", "null"]),
        (Min, &flags, truth.clone(), ["false", "true", "null"]),
        (Max, &flags, truth.clone(), ["true", "true", "null"]),
        (And, &flags, truth.clone(), ["false", "true", "null"]),
        (Or, &flags, truth.clone(), ["true", "true", "null"]),
        (Max, &days, DataType::Date32, ["1970-01-06", "1970-01-02", "null"]),
        (Max, &times, times.data_type().clone(), latest),
        (ArrayAgg, &longs, list, ["[2, , 8, 5]", "[-3]", "[]"]),
    ]);
}

fn longs_as_days() -> ArrayRef {
    Arc::new(Date32Array::from(vec![Some(2), None, Some(0), Some(5), Some(1), None]))
}

#[test]
fn filters_and_distinct_leave_rows_out() {
    let values = longs([Some(2), Some(2), Some(7), None, Some(9), Some(7)]);
    let passes: ArrayRef = Arc::new(BooleanArray::from(vec![
        Some(true),
        Some(true),
        Some(true),
        Some(true),
        None,
        Some(false),
    ]));
    let columns = [values, passes];
    let groups = [0, 0, 0, 0, 0, 1];
    let long = DataType::Int64;
    let cases = [
        (AggregateFn::CountRows, false, None, ["5", "1"]),
        (AggregateFn::CountRows, false, Some(1), ["4", "0"]),
        (AggregateFn::Count, false, Some(1), ["3", "0"]),
        (AggregateFn::Count, true, Some(1), ["2", "0"]),
        (AggregateFn::Count, true, None, ["3", "1"]),
        (AggregateFn::Sum, true, None, ["18", "7"]),
        (AggregateFn::Sum, true, Some(1), ["9", "null"]),
        (AggregateFn::Max, true, Some(1), ["7", "null"]),
    ];
    for (function, distinct, filter, expected) in cases {
        let case = format!("{function:?} distinct={distinct} filter={filter:?}");
        let call = AggregateCall { distinct, filter, ..call(function, &long, long.clone()) };
        assert_eq!(results(&call, &columns, &groups), expected, "{case}");
    }
}

#[test]
fn what_is_taken_back_leaves_no_trace() {
    let long = &DataType::Int64;
    let double = &DataType::Float64;
    let moments = AggregateFn::Moments { root: false, sample: false };
    let product = AggregateFn::Registered(Arc::new(Product));
    for (function, output, expected) in [
        (AggregateFn::CountRows, long, ["3", "0"]),
        (AggregateFn::Count, long, ["2", "0"]),
        (AggregateFn::Sum, long, ["8", "null"]),
        (AggregateFn::Avg, double, ["4.0", "null"]),
        (moments, double, ["4.0", "null"]),
        (product, long, ["12", "1"]),
    ] {
        let case = format!("{function:?}");
        let call = call(function, long, output.clone());
        let (set, _) = AggregateSet::new(&[call], Distinct::Table).unwrap();
        let mut states = set.states();
        states.reset(2);
        let values = longs([Some(2), None, Some(5), Some(6), Some(4), Some(5), Some(4)]);
        let input = Input {
            columns: &[values],
            groups: &[0, 0, 0, 0, 1, 0, 1],
            retracts: Some(&[false, false, false, false, false, true, true]),
            news: &[],
        };
        set.update(&input, &mut states).unwrap();
        assert_eq!(text(&set.finish(&states).unwrap()[0]), expected, "{case}");
    }
}

#[test]
fn a_sum_wraps_around_and_an_average_of_decimals_does_not() {
    let long = &DataType::Int64;
    let sum = call(AggregateFn::Sum, long, long.clone());
    let values = longs([Some(i64::MAX), Some(1)]);
    assert_eq!(results(&sum, &[values], &[0, 0]), [i64::MIN.to_string()]);

    let of = DataType::Decimal128(38, 0);
    let average = call(AggregateFn::Avg, &of, DataType::Decimal128(38, 4));
    let (set, _) = AggregateSet::new(&[average], Distinct::Table).unwrap();
    let mut states = set.states();
    states.reset(1);
    let values = Decimal128Array::from(vec![10_i128.pow(37)]).with_precision_and_scale(38, 0);
    let columns: [ArrayRef; 1] = [Arc::new(values.unwrap())];
    let input = Input { columns: &columns, groups: &[0], retracts: None, news: &[] };
    set.update(&input, &mut states).unwrap();
    let error = set.finish(&states).unwrap_err();
    assert!(matches!(error, JobError::Query { .. }), "{error}");
}

#[test]
fn strings_in_any_layout_are_texts() {
    let views: ArrayRef = Arc::new(arrow::array::StringViewArray::from(vec!["b", "a"]));
    let min = call(AggregateFn::Min, &DataType::Utf8View, DataType::Utf8View);
    assert_eq!(results(&min, std::slice::from_ref(&views), &[0, 0]), ["a"]);
    let first = call(AggregateFn::First, &DataType::Utf8View, DataType::Utf8);
    assert_eq!(results(&first, &[views], &[0, 0]), ["b"]);
    let wide: ArrayRef = Arc::new(StringArray::from(vec!["é", "z"]));
    let max = call(AggregateFn::Max, &DataType::Utf8, DataType::Utf8);
    assert_eq!(results(&max, &[wide], &[0, 0]), ["é"]);
}
