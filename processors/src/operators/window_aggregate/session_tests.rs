//! Sessions that grow, meet and end.

use arrow::datatypes::{DataType, SchemaRef};

use millrace_plan::{AggregateCall, AggregateFn, WindowAggregateNode, WindowKind, Windows};

use super::SessionOperator;
use crate::operators::testing::{
    advance, checkpoint, instant, instants, longs, push, restored, rows, schema, values,
};
use crate::{Batch, END_OF_TIME, Micros, Operator, OperatorContext, Output};

fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("t", instant())])
}

fn batch(of: &[(i64, Micros)]) -> Batch {
    let columns =
        vec![longs(of.iter().map(|row| Some(row.0))), instants(of.iter().map(|row| Some(row.1)))];
    Batch::append(rows(&input(), columns))
}

fn operator(ctx: &mut OperatorContext) -> SessionOperator {
    let call = |function, distinct| AggregateCall {
        function,
        args: vec![1],
        arg_types: vec![instant()],
        distinct,
        filter: None,
        output: DataType::Int64,
        name: "n".to_owned(),
    };
    let node = WindowAggregateNode {
        keys: vec![0],
        windows: Windows::Assigned { window: WindowKind::Session { gap: 10 }, time: 1 },
        aggregates: vec![call(AggregateFn::CountRows, false), call(AggregateFn::Count, true)],
    };
    let output = schema(&[
        ("k", DataType::Int64),
        ("s", instant()),
        ("e", instant()),
        ("t", instant()),
        ("n", DataType::Int64),
        ("d", DataType::Int64),
    ]);
    SessionOperator::new(&node, &[input()], &output, ctx).unwrap()
}

#[test]
fn a_silence_of_just_the_gap_is_still_inside() {
    let mut operator = operator(&mut OperatorContext::fresh("s"));
    push(&mut operator, 0, batch(&[(1, 0), (1, 10), (2, 0), (2, 11), (1, 0)]));
    assert!(advance(&mut operator, 10).is_empty());
    assert_eq!(advance(&mut operator, 11), ["+I 2 0 10 -990 1 1"]);
    let rest = ["+I 1 0 20 -980 3 2", "+I 2 11 21 -979 1 1"];
    assert_eq!(advance(&mut operator, END_OF_TIME), rest);
    assert!(operator.tables().iter_mut().all(|table| table.first_namespace().unwrap().is_none()));
}

#[test]
fn a_row_between_two_sessions_makes_them_one() {
    let mut operator = operator(&mut OperatorContext::fresh("s"));
    push(&mut operator, 0, batch(&[(1, 0), (1, 20), (1, 40)]));
    push(&mut operator, 0, batch(&[(1, 10)]));
    assert!(advance(&mut operator, 30).is_empty());
    assert_eq!(advance(&mut operator, 31), ["+I 1 0 30 -970 3 3"]);
    assert_eq!(advance(&mut operator, END_OF_TIME), ["+I 1 40 50 -950 1 1"]);
}

#[test]
fn a_late_row_counts_if_it_touches_an_open_session() {
    let mut operator = operator(&mut OperatorContext::fresh("s"));
    push(&mut operator, 0, batch(&[(1, 18)]));
    advance(&mut operator, 25);
    let mut out = Output::default();
    // 1 is too late until 9, which is late too, has brought the session near to it.
    operator.process(0, batch(&[(1, 1), (1, 9), (2, 1), (1, 1), (2, 30)]), &mut out).unwrap();
    let late: Vec<_> = out
        .late
        .iter()
        .flat_map(|late| (0..late.num_rows()).map(|row| values(late, row)).collect::<Vec<_>>())
        .collect();
    assert_eq!(late, ["1 1", "2 1"]);
    let rest = ["+I 1 1 28 -972 3 3", "+I 2 30 40 -960 1 1"];
    assert_eq!(advance(&mut operator, END_OF_TIME), rest);
}

#[test]
fn sessions_and_their_timers_survive_a_restart() {
    let mut before = operator(&mut OperatorContext::fresh("s"));
    push(&mut before, 0, batch(&[(1, 0), (1, 5)]));
    assert!(advance(&mut before, 12).is_empty());
    let mut after = operator(&mut restored(checkpoint(&mut before), 12));
    push(&mut after, 0, batch(&[(1, 8), (2, 0)]));
    assert!(advance(&mut after, 18).is_empty());
    assert_eq!(advance(&mut after, 19), ["+I 1 0 18 -982 3 3"]);
}

#[test]
fn the_watermark_does_not_overtake_the_results() {
    let mut operator = operator(&mut OperatorContext::fresh("s"));
    let mut out = Output::default();
    push(&mut operator, 0, batch(&[(1, 0)]));
    // The session ends at 10 and comes with 11; its `window_time` is 10 - 1000.
    assert_eq!(operator.watermark(10, &mut out).unwrap(), -990);
    assert!(out.batches.is_empty());
    assert_eq!(operator.watermark(END_OF_TIME, &mut out).unwrap(), END_OF_TIME);
}
