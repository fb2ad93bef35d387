//! Windows that fire, rows that are late, runs that are taken up again.

use arrow::datatypes::{DataType, SchemaRef};

use millrace_plan::{AggregateCall, AggregateFn, WindowAggregateNode, WindowKind, Windows};

use super::WindowAggregateOperator;
use crate::operators::testing::{
    advance, checkpoint, instant, instants, lines, longs, push, restored, rows, schema, values,
};
use crate::{Batch, END_OF_TIME, Micros, Operator, OperatorContext, Output};

fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("t", instant()), ("e", instant())])
}

fn batch(of: &[(i64, Micros)]) -> Batch {
    ends(&of.iter().map(|(k, t)| (*k, *t, 0)).collect::<Vec<_>>())
}

fn ends(of: &[(i64, Micros, Micros)]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|row| Some(row.0))),
        instants(of.iter().map(|row| Some(row.1))),
        instants(of.iter().map(|row| Some(row.2))),
    ];
    Batch::append(rows(&input(), columns))
}

fn count(distinct: bool) -> AggregateCall {
    AggregateCall {
        function: if distinct { AggregateFn::Count } else { AggregateFn::CountRows },
        args: if distinct { vec![1] } else { vec![] },
        arg_types: if distinct { vec![instant()] } else { vec![] },
        distinct,
        filter: None,
        output: DataType::Int64,
        name: "n".to_owned(),
    }
}

fn operator(
    windows: Windows,
    aggregates: Vec<AggregateCall>,
    ctx: &mut OperatorContext,
) -> WindowAggregateOperator {
    let mut fields = vec![("k", DataType::Int64), ("s", instant()), ("e", instant())];
    fields.push(("t", instant()));
    fields.extend(aggregates.iter().map(|_| ("n", DataType::Int64)));
    let node = WindowAggregateNode { keys: vec![0], windows, aggregates };
    WindowAggregateOperator::new(&node, &[input()], &schema(&fields), ctx).unwrap()
}

fn fresh(window: WindowKind, distinct: bool) -> WindowAggregateOperator {
    let windows = Windows::Assigned { window, time: 1 };
    operator(windows, vec![count(distinct)], &mut OperatorContext::fresh("w"))
}

const TUMBLE: WindowKind = WindowKind::Tumble { size: 10_000, offset: 0 };
const HOP: WindowKind = WindowKind::Hop { size: 10_000, slide: 5_000, offset: 0 };
const CUMULATE: WindowKind = WindowKind::Cumulate { size: 15_000, step: 5_000, offset: 0 };

#[test]
fn tumbling_windows_fire_in_order_of_end_when_the_watermark_reaches_it() {
    let mut operator = fresh(TUMBLE, false);
    assert!(push(&mut operator, 0, batch(&[(2, 0), (1, 9_999), (1, 25_000), (1, 0)])).is_empty());
    assert!(advance(&mut operator, 9_999).is_empty());
    assert_eq!(advance(&mut operator, 10_000), ["+I 1 0 10000 9000 2", "+I 2 0 10000 9000 1"]);
    assert!(advance(&mut operator, 29_999).is_empty());
    assert_eq!(advance(&mut operator, END_OF_TIME), ["+I 1 20000 30000 29000 1"]);
    assert!(advance(&mut operator, END_OF_TIME).is_empty());
}

#[test]
fn a_late_row_counts_for_the_windows_that_are_still_open() {
    let mut operator = fresh(HOP, false);
    push(&mut operator, 0, batch(&[(1, 6_000)]));
    assert_eq!(advance(&mut operator, 10_000), ["+I 1 0 10000 9000 1"]);
    let mut out = Output::default();
    let late = batch(&[(1, 4_999), (1, 7_000), (1, 11_000)]);
    operator.process(0, late, &mut out).unwrap();
    assert_eq!(out.late.len(), 1);
    assert_eq!(values(&out.late[0], 0), "1 4999 0");
    assert_eq!(out.late[0].num_rows(), 1);
    let rest = ["+I 1 5000 15000 14000 3", "+I 1 10000 20000 19000 1"];
    assert_eq!(advance(&mut operator, END_OF_TIME), rest);
}

#[test]
fn cumulating_windows_grow_with_late_rows_too() {
    for distinct in [false, true] {
        let mut operator = fresh(CUMULATE, distinct);
        push(&mut operator, 0, batch(&[(1, 6_000), (1, 1_000), (2, 12_000)]));
        let first = ["+I 1 0 5000 4000 1", "+I 1 0 10000 9000 2"];
        assert_eq!(advance(&mut operator, 11_000), first);
        push(&mut operator, 0, batch(&[(1, 6_500), (1, 6_500), (1, 13_000), (1, 6_000)]));
        let counts = if distinct { 4 } else { 6 };
        let last = [format!("+I 1 0 15000 14000 {counts}"), "+I 2 0 15000 14000 1".to_owned()];
        assert_eq!(advance(&mut operator, END_OF_TIME), last);
    }
}

#[test]
fn distinct_values_count_once_in_each_window() {
    let rows = || batch(&[(1, 6_000), (1, 6_000), (1, 7_000), (1, 11_000)]);
    let mut tumble = fresh(TUMBLE, true);
    push(&mut tumble, 0, rows());
    push(&mut tumble, 0, rows());
    let windows = ["+I 1 0 10000 9000 2", "+I 1 10000 20000 19000 1"];
    assert_eq!(advance(&mut tumble, END_OF_TIME), windows);
    assert!(tumble.tables().iter_mut().all(|table| table.first_namespace().unwrap().is_none()));
    let mut hop = fresh(HOP, true);
    push(&mut hop, 0, rows());
    push(&mut hop, 0, rows());
    let windows = ["+I 1 0 10000 9000 2", "+I 1 5000 15000 14000 3", "+I 1 10000 20000 19000 1"];
    assert_eq!(advance(&mut hop, END_OF_TIME), windows);
}

#[test]
fn attached_windows_fire_by_their_end() {
    let windows = Windows::Attached { start: 1, end: 2 };
    let fresh = &mut OperatorContext::fresh("w");
    let mut operator = operator(windows, vec![count(false)], fresh);
    push(&mut operator, 0, ends(&[(1, 0, 20), (1, 10, 20), (1, 0, 20), (2, 0, 10)]));
    assert_eq!(advance(&mut operator, 10), ["+I 2 0 10 -990 1"]);
    let mut out = Output::default();
    operator.process(0, ends(&[(1, 0, 10), (3, 0, 30)]), &mut out).unwrap();
    assert_eq!(out.late[0].num_rows(), 1);
    out.late.clear();
    operator.watermark(END_OF_TIME, &mut out).unwrap();
    let rest = ["+I 1 0 20 -980 2", "+I 1 10 20 -980 1", "+I 3 0 30 -970 1"];
    assert_eq!(lines(&out.batches), rest);
}

#[test]
fn after_a_restart_no_window_fires_again() {
    let mut before = fresh(HOP, false);
    push(&mut before, 0, batch(&[(1, 6_000)]));
    assert_eq!(advance(&mut before, 10_000).len(), 1);
    let mut ctx = restored(checkpoint(&mut before), 10_000);
    let windows = Windows::Assigned { window: HOP, time: 1 };
    let mut after = operator(windows, vec![count(false)], &mut ctx);
    push(&mut after, 0, batch(&[(1, 4_000), (1, 9_000)]));
    assert_eq!(advance(&mut after, END_OF_TIME), ["+I 1 5000 15000 14000 2"]);
}

#[test]
fn the_watermark_does_not_overtake_the_results() {
    let mut out = Output::default();
    let mut tumble = fresh(TUMBLE, false);
    for (watermark, expected) in [
        (8_999, 8_999),
        (9_000, 9_000),
        (9_999, 9_000),
        (10_000, 10_000),
        (END_OF_TIME, END_OF_TIME),
    ] {
        assert_eq!(tumble.watermark(watermark, &mut out).unwrap(), expected);
    }
    let windows = Windows::Attached { start: 1, end: 2 };
    let mut attached = operator(windows, vec![count(false)], &mut OperatorContext::fresh("w"));
    for (watermark, expected) in [(9_000, 9_000), (9_999, 9_000), (10_000, 10_000)] {
        assert_eq!(attached.watermark(watermark, &mut out).unwrap(), expected);
    }
}
