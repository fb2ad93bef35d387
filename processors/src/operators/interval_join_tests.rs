//! The interval join against a nested loop, for all kinds, bounds, late rows, cuts and crashes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{Column, binary};
use proptest::prelude::*;

use millrace_plan::{IntervalJoinNode, JoinKind};
use millrace_state::Table;

use super::interval_join::IntervalJoinOperator;
use super::testing::{
    advance, checkpoint, instant, instants, lines, longs, push, restored, rows, schema,
};
use crate::{Batch, END_OF_TIME, NO_WATERMARK, Operator, Output};

const KINDS: [JoinKind; 4] = [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full];

/// Key, value, time.
type Row = (Option<i64>, i64, Option<i64>);

/// Microseconds in a unit of the tests' times: some units are one namespace of state.
const UNIT: i64 = 50_000;

fn side() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("t", instant())])
}

fn batch(of: &[Row]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|row| row.0)),
        longs(of.iter().map(|row| Some(row.1))),
        instants(of.iter().map(|row| row.2.map(|time| time * UNIT))),
    ];
    Batch::append(rows(&side(), columns))
}

#[derive(Debug, Clone, Copy)]
struct Form {
    kind: JoinKind,
    lower: i64,
    upper: i64,
    filtered: bool,
}

impl Form {
    fn operator(self, tables: HashMap<String, Table>, watermark: i64) -> IntervalJoinOperator {
        let side = side();
        let both: Vec<_> = side.fields().iter().chain(side.fields()).cloned().collect();
        let pairs: SchemaRef = Arc::new(Schema::new(both));
        // `left.v < right.v`
        let (left, right) = (Arc::new(Column::new("v", 1)), Arc::new(Column::new("v", 4)));
        let less = binary(left, Op::Lt, right, &pairs).unwrap();
        let node = IntervalJoinNode {
            kind: self.kind,
            on: vec![(0, 0)],
            left_time: 2,
            right_time: 2,
            lower_us: self.lower * UNIT,
            upper_us: self.upper * UNIT,
            filter: self.filtered.then_some(less),
        };
        let mut ctx = restored(tables, watermark);
        IntervalJoinOperator::new(&node, &[side.clone(), side], &pairs, &mut ctx).unwrap()
    }

    fn matches(self, left: &Row, right: &Row) -> bool {
        let near = match (left.2, right.2) {
            (Some(l), Some(r)) => (l + self.lower..=l + self.upper).contains(&r),
            _ => false,
        };
        near && left.0.is_some() && left.0 == right.0 && (!self.filtered || left.1 < right.1)
    }

    fn expected(self, left: &[Row], right: &[Row]) -> Vec<String> {
        let mut made = Vec::new();
        for l in left {
            let partners: Vec<_> = right.iter().filter(|r| self.matches(l, r)).collect();
            made.extend(partners.iter().map(|r| format!("+I {} {}", text(l), text(r))));
            if partners.is_empty() && matches!(self.kind, JoinKind::Left | JoinKind::Full) {
                made.push(format!("+I {} null null null", text(l)));
            }
        }
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            let alone = right.iter().filter(|r| !left.iter().any(|l| self.matches(l, r)));
            made.extend(alone.map(|r| format!("+I null null null {}", text(r))));
        }
        made.sort();
        made
    }
}

fn text(row: &Row) -> String {
    let part = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    format!("{} {} {}", part(row.0), row.1, part(row.2.map(|time| time * UNIT)))
}

/// Times of the left and of the right in output rows; none for rows that have no such time.
fn times(made: &[String]) -> Vec<i64> {
    let parts = |line: &String| {
        let parts: Vec<_> = line.split(' ').map(str::to_owned).collect();
        [parts[3].clone(), parts[6].clone()]
    };
    made.iter().flat_map(parts).filter_map(|time| time.parse().ok()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Rows(usize, Vec<(Option<i64>, i64, Option<i64>)>),
    Watermark(i64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (
        proptest::option::weighted(0.9, 0..3_i64),
        0..5_i64,
        proptest::option::weighted(0.95, 0..25_i64),
    );
    let step = prop_oneof![
        4 => (0..2_usize, proptest::collection::vec(row, 1..12))
            .prop_map(|(port, rows)| Step::Rows(port, rows)),
        2 => (1..10_i64).prop_map(Step::Watermark),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..14)
}

fn form() -> impl Strategy<Value = Form> {
    (0..4_usize, -8..8_i64, 0..9_i64, any::<bool>()).prop_map(|(kind, lower, more, filtered)| {
        Form { kind: KINDS[kind], lower, upper: lower + more, filtered }
    })
}

proptest! {
    /// Rows come at or after the watermark, so what comes out is what a batch would give; and no
    /// row comes out before the watermark that was sent on.
    #[test]
    fn equals_a_nested_loop(form in form(), steps in steps()) {
        let mut running = form.operator(HashMap::new(), NO_WATERMARK);
        let mut watermark = NO_WATERMARK;
        let mut promised = NO_WATERMARK;
        let mut seen: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
        let mut made = Vec::new();
        for step in steps {
            match step {
                Step::Rows(port, rows) => {
                    let floor = if watermark == NO_WATERMARK { 0 } else { watermark / UNIT };
                    let in_time = |(key, value, time): (_, _, Option<i64>)| {
                        (key, value, time.map(|time| time + floor))
                    };
                    let rows: Vec<Row> = rows.into_iter().map(in_time).collect();
                    let mut out = Output::default();
                    running.process(port, batch(&rows), &mut out).unwrap();
                    prop_assert!(out.late.is_empty());
                    let new = lines(&out.batches);
                    prop_assert!(times(&new).into_iter().all(|time| time >= promised));
                    made.extend(new);
                    seen[port].extend(rows);
                }
                Step::Watermark(by) => {
                    watermark = watermark.max(0) + by * UNIT;
                    let mut out = Output::default();
                    let next = running.watermark(watermark, &mut out).unwrap();
                    let new = lines(&out.batches);
                    prop_assert!(times(&new).into_iter().all(|time| time >= promised));
                    made.extend(new);
                    prop_assert!(next >= promised && next <= watermark);
                    promised = next;
                }
                Step::Crash => {
                    let tables = checkpoint(&mut running);
                    running = form.operator(tables, watermark);
                }
            }
        }
        made.extend(advance(&mut running, END_OF_TIME));
        made.sort();
        prop_assert_eq!(made, form.expected(&seen[0], &seen[1]));
        for table in running.tables() {
            prop_assert_eq!(table.first_namespace().unwrap(), None);
        }
    }
}

#[test]
fn pairs_are_sent_at_once_and_lonely_rows_when_it_is_certain() {
    let form = Form { kind: JoinKind::Left, lower: -2, upper: 4, filtered: false };
    let mut operator = form.operator(HashMap::new(), NO_WATERMARK);
    assert!(
        push(&mut operator, 0, batch(&[(Some(1), 1, Some(0)), (Some(1), 2, Some(1))])).is_empty()
    );
    let made = push(&mut operator, 1, batch(&[(Some(1), 3, Some(5)), (Some(2), 4, Some(0))]));
    assert_eq!(made, ["+I 1 2 50000 1 3 250000"]);
    assert_eq!(
        push(&mut operator, 0, batch(&[(None, 5, Some(3))])),
        ["+I null 5 150000 null null null"]
    );
    assert!(advance(&mut operator, 4 * UNIT).is_empty());
    assert_eq!(advance(&mut operator, 6 * UNIT), ["+I 1 1 0 null null null"]);
    assert!(advance(&mut operator, END_OF_TIME).is_empty());
}

#[test]
fn a_key_with_many_rows_keeps_them_in_order() {
    let form = Form { kind: JoinKind::Full, lower: 0, upper: 4, filtered: false };
    let mut operator = form.operator(HashMap::new(), NO_WATERMARK);
    let many: Vec<Row> = (0..1_000).map(|value| (Some(1), value, Some(2))).collect();
    for some in many.chunks(7) {
        assert!(push(&mut operator, 0, batch(some)).is_empty());
    }
    let mut operator = form.operator(checkpoint(&mut operator), NO_WATERMARK);
    let made = push(&mut operator, 1, batch(&[(Some(1), 7, Some(3)), (Some(1), 8, Some(1))]));
    let expected: Vec<String> =
        (0..1_000).map(|value| format!("+I 1 {value} 100000 1 7 150000")).collect();
    assert_eq!(made, expected);
    assert_eq!(advance(&mut operator, END_OF_TIME), ["+I null null null 1 8 50000"]);
}

#[test]
fn a_row_before_the_watermark_is_joined_while_its_partners_are_kept() {
    let form = Form { kind: JoinKind::Full, lower: 0, upper: 4, filtered: false };
    let mut operator = form.operator(HashMap::new(), NO_WATERMARK);
    push(&mut operator, 1, batch(&[(Some(1), 1, Some(9))]));
    advance(&mut operator, 8 * UNIT);
    assert_eq!(
        push(&mut operator, 0, batch(&[(Some(1), 2, Some(6))])),
        ["+I 1 2 300000 1 1 450000"]
    );
    let mut out = Output::default();
    operator.process(0, batch(&[(Some(1), 3, Some(3)), (None, 4, Some(3))]), &mut out).unwrap();
    assert!(out.batches.is_empty());
    assert_eq!(out.late.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
}
