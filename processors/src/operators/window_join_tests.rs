//! The window join against a nested loop, for all kinds, late rows, cuts and crashes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{Column, binary};
use proptest::prelude::*;

use millrace_plan::{JoinKind, WindowJoinNode};
use millrace_state::Table;

use super::testing::{advance, checkpoint, instant, instants, longs, push, restored, rows, schema};
use super::window_join::WindowJoinOperator;
use crate::{Batch, END_OF_TIME, NO_WATERMARK, Operator, Output};

const KINDS: [JoinKind; 6] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::Semi,
    JoinKind::Anti,
];

/// Key, window (its number), value.
type Row = (Option<i64>, i64, i64);

fn side() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("s", instant()), ("e", instant())])
}

fn batch(of: &[Row]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|row| row.0)),
        longs(of.iter().map(|row| Some(row.2))),
        instants(of.iter().map(|row| Some(row.1 * 10))),
        instants(of.iter().map(|row| Some(row.1 * 10 + 10))),
    ];
    Batch::append(rows(&side(), columns))
}

fn operator(
    kind: JoinKind,
    filtered: bool,
    tables: HashMap<String, Table>,
    watermark: i64,
) -> WindowJoinOperator {
    let side = side();
    let both: Vec<_> = side.fields().iter().chain(side.fields()).cloned().collect();
    let pairs: SchemaRef = arrow::datatypes::Schema::new(both).into();
    // `left.v < right.v`
    let (left, right) = (Arc::new(Column::new("v", 1)), Arc::new(Column::new("v", 5)));
    let less = binary(left, Op::Lt, right, &pairs).unwrap();
    let node = WindowJoinNode {
        kind,
        on: vec![(0, 0)],
        left_window: (2, 3),
        right_window: (2, 3),
        filter: filtered.then_some(less),
    };
    let output = if matches!(kind, JoinKind::Semi | JoinKind::Anti) { side.clone() } else { pairs };
    let mut ctx = restored(tables, watermark);
    WindowJoinOperator::new(&node, &[side.clone(), side], &output, &mut ctx).unwrap()
}

fn text(row: &Row) -> String {
    let key = row.0.map_or("null".to_owned(), |key| key.to_string());
    format!("{key} {} {} {}", row.2, row.1 * 10, row.1 * 10 + 10)
}

fn expected(kind: JoinKind, filtered: bool, left: &[Row], right: &[Row]) -> Vec<String> {
    let matches =
        |l: &Row, r: &Row| l.0.is_some() && l.0 == r.0 && l.1 == r.1 && (!filtered || l.2 < r.2);
    let nulls = "null null null null";
    let mut made = Vec::new();
    for l in left {
        let partners: Vec<_> = right.iter().filter(|r| matches(l, r)).collect();
        match kind {
            JoinKind::Semi if !partners.is_empty() => made.push(format!("+I {}", text(l))),
            JoinKind::Anti if partners.is_empty() => made.push(format!("+I {}", text(l))),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => {
                made.extend(partners.iter().map(|r| format!("+I {} {}", text(l), text(r))));
                if partners.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
                    made.push(format!("+I {} {nulls}", text(l)));
                }
            }
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let alone = right.iter().filter(|r| !left.iter().any(|l| matches(l, r)));
        made.extend(alone.map(|r| format!("+I {nulls} {}", text(r))));
    }
    made.sort();
    made
}

#[test]
fn every_kind_keeps_the_right_rows() {
    let left = [(Some(1), 0, 5), (Some(2), 0, 5), (None, 0, 5), (Some(1), 1, 5), (Some(3), 0, 9)];
    let right = [(Some(1), 0, 6), (Some(1), 0, 7), (None, 0, 6), (Some(4), 0, 6), (Some(3), 0, 8)];
    for kind in KINDS {
        for filtered in [false, true] {
            let mut operator = operator(kind, filtered, HashMap::new(), NO_WATERMARK);
            assert!(push(&mut operator, 0, batch(&left)).is_empty());
            assert!(push(&mut operator, 1, batch(&right)).is_empty());
            let mut made = advance(&mut operator, END_OF_TIME);
            made.sort();
            assert_eq!(made, expected(kind, filtered, &left, &right), "{kind:?} {filtered}");
        }
    }
}

#[test]
fn a_window_joins_when_the_watermark_reaches_its_end_and_later_rows_are_late() {
    let mut operator = operator(JoinKind::Inner, false, HashMap::new(), NO_WATERMARK);
    push(&mut operator, 0, batch(&[(Some(1), 0, 5), (Some(1), 1, 5)]));
    push(&mut operator, 1, batch(&[(Some(1), 0, 6), (Some(1), 1, 6)]));
    assert!(advance(&mut operator, 9).is_empty());
    assert_eq!(advance(&mut operator, 10), ["+I 1 5 0 10 1 6 0 10"]);
    let mut out = Output::default();
    operator.process(0, batch(&[(Some(1), 0, 7), (Some(1), 1, 7)]), &mut out).unwrap();
    assert_eq!(out.late.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    let made = advance(&mut operator, END_OF_TIME);
    assert_eq!(made, ["+I 1 5 10 20 1 6 10 20", "+I 1 7 10 20 1 6 10 20"]);
}

#[test]
fn many_pairs_come_in_batches_and_in_order() {
    let mut operator = operator(JoinKind::Inner, false, HashMap::new(), NO_WATERMARK);
    let many: Vec<Row> = (0..200).map(|v| (Some(1), 0, v)).collect();
    push(&mut operator, 0, batch(&many));
    push(&mut operator, 1, batch(&many));
    let mut out = Output::default();
    operator.watermark(END_OF_TIME, &mut out).unwrap();
    assert_eq!(out.batches.iter().map(Batch::len).sum::<usize>(), 40_000);
    assert!(out.batches.len() > 1);
    let made = super::testing::lines(&out.batches);
    assert_eq!(made[201], "+I 1 1 0 10 1 1 0 10");
}

#[derive(Debug, Clone)]
enum Step {
    Rows(usize, Vec<Row>),
    Watermark(i64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (proptest::option::weighted(0.8, 0..4_i64), 0..4_i64, 0..5_i64);
    let step = prop_oneof![
        4 => (0..2_usize, proptest::collection::vec(row, 1..20))
            .prop_map(|(port, rows)| Step::Rows(port, rows)),
        1 => (0..50_i64).prop_map(Step::Watermark),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..12)
}

proptest! {
    #[test]
    fn equals_a_nested_loop(steps in steps(), kind in 0..6_usize, filtered in any::<bool>()) {
        let kind = KINDS[kind];
        let mut running = operator(kind, filtered, HashMap::new(), NO_WATERMARK);
        let mut watermark = NO_WATERMARK;
        let mut seen: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
        let mut made = Vec::new();
        for step in steps {
            match step {
                Step::Rows(port, rows) => {
                    made.extend(push(&mut running, port, batch(&rows)));
                    let in_time = rows.into_iter().filter(|row| row.1 * 10 + 10 > watermark);
                    seen[port].extend(in_time);
                }
                Step::Watermark(to) => {
                    watermark = watermark.max(to);
                    made.extend(advance(&mut running, watermark));
                }
                Step::Crash => {
                    let tables = checkpoint(&mut running);
                    running = operator(kind, filtered, tables, watermark);
                }
            }
        }
        made.extend(advance(&mut running, END_OF_TIME));
        made.sort();
        prop_assert_eq!(made, expected(kind, filtered, &seen[0], &seen[1]));
    }
}
