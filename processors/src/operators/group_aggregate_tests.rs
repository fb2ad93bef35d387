//! Changelogs of groups without end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, SchemaRef};
use proptest::prelude::*;

use millrace_plan::{AggregateCall, AggregateFn, GroupAggregateNode};

use super::group_aggregate::GroupAggregateOperator;
use super::testing::{checkpoint, longs, push, restored, rows, schema, texts};
use crate::{Batch, OperatorContext, RowKind};

use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};

fn call(function: AggregateFn, column: usize, distinct: bool) -> AggregateCall {
    AggregateCall {
        function,
        args: vec![column],
        arg_types: vec![DataType::Int64],
        distinct,
        filter: None,
        output: DataType::Int64,
        name: "result".to_owned(),
    }
}

fn input() -> SchemaRef {
    schema(&[("k", DataType::Utf8), ("v", DataType::Int64), ("f", DataType::Boolean)])
}

fn batch(of: &[(Option<&str>, i64, RowKind)]) -> Batch {
    let flags: ArrayRef =
        Arc::new(of.iter().map(|(_, v, _)| Some(v % 2 == 0)).collect::<BooleanArray>());
    let columns = vec![
        texts(of.iter().map(|(k, _, _)| *k)),
        longs(of.iter().map(|(_, v, _)| Some(*v))),
        flags,
    ];
    let kinds: Vec<RowKind> = of.iter().map(|(_, _, kind)| *kind).collect();
    Batch::changes(rows(&input(), columns), &kinds)
}

fn operator(
    keys: &[usize],
    aggregates: Vec<AggregateCall>,
    (input_changes, emit_before): (bool, bool),
    ctx: &mut OperatorContext,
) -> GroupAggregateOperator {
    let mut fields: Vec<(&str, DataType)> = keys.iter().map(|_| ("k", DataType::Utf8)).collect();
    fields.extend(aggregates.iter().map(|call| ("a", call.output.clone())));
    let output = schema(&fields);
    let node = GroupAggregateNode { keys: keys.to_vec(), aggregates, input_changes, emit_before };
    GroupAggregateOperator::new(&node, &[input()], &output, ctx).unwrap()
}

#[test]
fn a_group_changes_once_a_batch_and_only_if_its_row_does() {
    let aggregates = vec![call(AggregateFn::Max, 1, false)];
    let mut operator = operator(&[0], aggregates, (false, true), &mut OperatorContext::fresh("g"));
    let first = batch(&[(Some("a"), 1, Insert), (None, 5, Insert), (Some("a"), 3, Insert)]);
    assert_eq!(push(&mut operator, 0, first), ["+I a 3", "+I null 5"]);
    let second = batch(&[(Some("a"), 2, Insert), (None, 6, Insert), (None, 7, Insert)]);
    assert_eq!(push(&mut operator, 0, second), ["-U null 5", "+U null 7"]);
}

#[test]
fn a_group_without_rows_is_deleted_and_may_come_back() {
    let aggregates =
        vec![call(AggregateFn::CountRows, 1, false), call(AggregateFn::Count, 1, true)];
    let mut operator = operator(&[0], aggregates, (true, false), &mut OperatorContext::fresh("g"));
    let first = batch(&[(Some("a"), 1, Insert), (Some("a"), 1, Insert), (Some("b"), 1, Insert)]);
    assert_eq!(push(&mut operator, 0, first), ["+I a 2 1", "+I b 1 1"]);
    let second = batch(&[(Some("a"), 1, UpdateBefore), (Some("a"), 2, UpdateAfter)]);
    assert_eq!(push(&mut operator, 0, second), ["+U a 2 2"]);
    let third = batch(&[
        (Some("a"), 1, Delete),
        (Some("b"), 1, Delete),
        (Some("c"), 1, Insert),
        (Some("c"), 1, Delete),
        (Some("a"), 2, UpdateBefore),
        (Some("a"), 3, UpdateAfter),
    ]);
    assert_eq!(push(&mut operator, 0, third), ["+U a 1 1", "-D b 1 1"]);
    let fourth = batch(&[(Some("b"), 9, Insert)]);
    assert_eq!(push(&mut operator, 0, fourth), ["+I b 1 1"]);
}

#[test]
fn distinct_values_are_shared_by_filters_and_survive_a_restart() {
    let filtered = AggregateCall { filter: Some(2), ..call(AggregateFn::Count, 1, true) };
    let aggregates =
        vec![call(AggregateFn::Count, 1, true), filtered, call(AggregateFn::Sum, 1, true)];
    let fresh = &mut OperatorContext::fresh("g");
    let mut before = operator(&[0], aggregates.clone(), (false, false), fresh);
    let first = batch(&[(Some("a"), 1, Insert), (Some("a"), 2, Insert), (Some("b"), 1, Insert)]);
    assert_eq!(push(&mut before, 0, first), ["+I a 2 1 3", "+I b 1 0 1"]);
    let mut ctx = restored(checkpoint(&mut before), 0);
    let mut operator = operator(&[0], aggregates, (false, false), &mut ctx);
    let second = batch(&[
        (Some("a"), 1, Insert),
        (Some("a"), 4, Insert),
        (Some("a"), 4, Insert),
        (Some("b"), 1, Insert),
    ]);
    assert_eq!(push(&mut operator, 0, second), ["+U a 3 2 7"]);
}

#[test]
fn without_keys_there_is_one_group_which_stays() {
    let aggregates = vec![call(AggregateFn::CountRows, 1, false)];
    let mut operator = operator(&[], aggregates, (true, true), &mut OperatorContext::fresh("g"));
    assert_eq!(push(&mut operator, 0, batch(&[(None, 1, Insert)])), ["+I 1"]);
    assert_eq!(push(&mut operator, 0, batch(&[(None, 1, Delete)])), ["-U 1", "+U 0"]);
    assert_eq!(push(&mut operator, 0, batch(&[(None, 1, Insert)])), ["-U 0", "+U 1"]);
}

#[test]
fn a_group_of_nothing_but_keys_comes_once() {
    let mut operator = operator(&[0], Vec::new(), (false, false), &mut OperatorContext::fresh("g"));
    let rows = || batch(&[(Some("a"), 1, Insert), (Some("a"), 1, Insert)]);
    assert_eq!(push(&mut operator, 0, rows()), ["+I a"]);
    assert!(push(&mut operator, 0, rows()).is_empty());
}

/// Puts a changelog into rows by key.
fn apply(rows: &mut BTreeMap<String, String>, lines: &[String]) {
    for line in lines {
        let (kind, row) = line.split_once(' ').unwrap();
        let (key, values) = row.split_once(' ').unwrap();
        let old = match kind {
            "-D" => rows.remove(key),
            "-U" => rows.get(key).cloned(),
            _ => {
                let old = rows.insert(key.to_owned(), values.to_owned());
                assert_eq!(old.is_some(), kind == "+U", "{line}");
                continue;
            }
        };
        assert_eq!(old.as_deref(), Some(values), "{line}");
    }
}

proptest! {
    #[test]
    fn the_changelog_leads_to_the_groups_of_the_rows_that_are_there(
        steps in prop::collection::vec(
            (
                prop::collection::vec(
                    (0..3_usize, 0..4_i64, any::<prop::sample::Index>(), 0..3_u8),
                    1..15,
                ),
                any::<bool>(),
            ),
            1..12,
        ),
    ) {
        let keys = [None, Some("a"), Some("b")];
        let aggregates = vec![
            call(AggregateFn::CountRows, 1, false),
            call(AggregateFn::Sum, 1, false),
            call(AggregateFn::Count, 1, true),
            AggregateCall { filter: Some(2), ..call(AggregateFn::Sum, 1, true) },
        ];
        let make = |ctx: &mut OperatorContext| {
            operator(&[0], aggregates.clone(), (true, true), ctx)
        };
        let mut operator = make(&mut OperatorContext::fresh("g"));
        let (mut there, mut found) = (Vec::<(usize, i64)>::new(), BTreeMap::new());
        for (rows, crash) in steps {
            let mut changes = Vec::new();
            for (key, value, which, take_back) in rows {
                if take_back == 0 && !there.is_empty() {
                    let (key, value) = there.swap_remove(which.index(there.len()));
                    changes.push((keys[key], value, Delete));
                } else {
                    there.push((key, value));
                    changes.push((keys[key], value, Insert));
                }
            }
            let lines = push(&mut operator, 0, batch(&changes));
            let mut changed: Vec<&str> = lines.iter().filter(|line| !line.starts_with("-U"))
                .map(|line| line.split(' ').nth(1).unwrap()).collect();
            changed.sort_unstable();
            prop_assert!(changed.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", lines);
            apply(&mut found, &lines);
            if crash {
                operator = make(&mut restored(checkpoint(&mut operator), 0));
            }
        }
        let mut expected = BTreeMap::new();
        for (number, key) in keys.iter().enumerate() {
            let values: Vec<i64> =
                there.iter().filter(|(key, _)| *key == number).map(|(_, value)| *value).collect();
            if values.is_empty() {
                continue;
            }
            let distinct: BTreeSet<i64> = values.iter().copied().collect();
            let even: Vec<i64> = distinct.iter().copied().filter(|v| v % 2 == 0).collect();
            let even =
                if even.is_empty() { "null".to_owned() } else { even.iter().sum::<i64>().to_string() };
            let sum: i64 = values.iter().sum();
            let row = format!("{} {sum} {} {even}", values.len(), distinct.len());
            expected.insert(key.unwrap_or("null").to_owned(), row);
        }
        prop_assert_eq!(found, expected);
    }
}
