//! Top-N against a stable sort: the changelog, applied, is the ranking of all rows so far.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::{DataType, SchemaRef};
use proptest::prelude::*;

use millrace_plan::{Changes, SortColumn, TopNNode};
use millrace_state::Table;

use super::testing::{advance, checkpoint, instant, instants, longs, push, restored, rows, schema};
use super::top_n::TopNOperator;
use super::window_top_n::WindowTopNOperator;
use crate::RowKind::{self, Delete, Insert};
use crate::{Batch, END_OF_TIME, NO_WATERMARK, Operator, Output};

/// Partition, order (greatest first), identity.
type Row = (Option<i64>, Option<i64>, i64);

fn input() -> SchemaRef {
    schema(&[("p", DataType::Int64), ("o", DataType::Int64), ("id", DataType::Int64)])
}

fn batch(of: &[(RowKind, Row)]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|(_, row)| row.0)),
        longs(of.iter().map(|(_, row)| row.1)),
        longs(of.iter().map(|(_, row)| Some(row.2))),
    ];
    let kinds: Vec<_> = of.iter().map(|(kind, _)| *kind).collect();
    Batch::changes(rows(&input(), columns), &kinds)
}

fn inserts(of: &[Row]) -> Batch {
    Batch::append(batch(&of.iter().map(|row| (Insert, *row)).collect::<Vec<_>>()).rows)
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    from: u64,
    to: u64,
    number: bool,
    before: bool,
    changing: bool,
}

impl Shape {
    fn by_number(self) -> bool {
        self.number || self.to == 1
    }

    fn operator(self, tables: HashMap<String, Table>) -> TopNOperator {
        let node = TopNNode {
            partition: vec![0],
            order: vec![SortColumn { column: 1, descending: true, nulls_first: false }],
            from: self.from,
            to: self.to,
            number: self.number,
            window: None,
            emit_before: self.before,
        };
        let mut fields =
            vec![("p", DataType::Int64), ("o", DataType::Int64), ("id", DataType::Int64)];
        let key = match (self.to, self.number) {
            (1, _) => vec![0],
            (_, true) => vec![0, 3],
            _ => vec![0, 1, 2],
        };
        if self.number {
            fields.push(("rn", DataType::UInt64));
        }
        let into = Changes::Retract(key);
        let from = if self.changing { Changes::Retract(vec![2]) } else { Changes::Append };
        let mut ctx = restored(tables, NO_WATERMARK);
        TopNOperator::new(&node, &from, &into, &[input()], &schema(&fields), &mut ctx).unwrap()
    }

    /// Rows that should be there, as text.
    fn expected(self, all: &[Row]) -> Vec<String> {
        let mut partitions: BTreeMap<Option<i64>, Vec<Row>> = BTreeMap::new();
        for row in all {
            partitions.entry(row.0).or_default().push(*row);
        }
        let mut shown = Vec::new();
        for (_, mut rows) in partitions {
            rows.sort_by_key(|row| row.1.map_or(1, |order| -order));
            for (row, number) in rows.iter().zip(1..) {
                if (self.from..=self.to).contains(&number) {
                    let part = |value: Option<i64>| value.map_or("null".into(), |v| v.to_string());
                    let rank = if self.number { format!(" {number}") } else { String::new() };
                    shown.push(format!("{} {} {}{rank}", part(row.0), part(row.1), row.2));
                }
            }
        }
        shown.sort();
        shown
    }

    /// Applies a changelog, and checks that it is one.
    fn apply(self, rows: &mut Vec<String>, changes: &[String]) {
        let key = |row: &str| {
            let parts: Vec<_> = row.split(' ').collect();
            match (self.to, self.number) {
                (1, _) => parts[0].to_owned(),
                (_, true) => format!("{} {}", parts[0], parts[3]),
                _ => row.to_owned(),
            }
        };
        for (at, change) in changes.iter().enumerate() {
            let (kind, row) = change.split_once(' ').unwrap();
            let there = rows.iter().position(|old| key(old) == key(row));
            match kind {
                "+I" => {
                    // Rows that are equal in everything are told apart by nothing.
                    assert!(there.is_none() || !self.by_number(), "{change} {rows:?}");
                    rows.push(row.to_owned());
                }
                "+U" if self.before => {
                    assert!(changes[at - 1].starts_with("-U"), "{changes:?}");
                    rows.push(row.to_owned());
                }
                "+U" => rows[there.expect("replaced")] = row.to_owned(),
                _ => {
                    assert_eq!(rows.remove(there.expect("taken back")), row);
                }
            }
        }
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    (1..3_u64, 0..4_u64, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(from, more, number, before, changing)| {
            let to = if from == 1 { 1 + more } else { 2 + more };
            Shape { from, to, number, before, changing }
        },
    )
}

fn row() -> impl Strategy<Value = Row> {
    (
        proptest::option::weighted(0.9, 0..3_i64),
        proptest::option::weighted(0.9, 0..4_i64),
        0..1_000_i64,
    )
}

proptest! {
    #[test]
    fn the_changelog_leads_to_the_ranking(
        shape in shape(),
        batches in proptest::collection::vec(
            proptest::collection::vec((row(), any::<prop::sample::Index>(), 0..3_u8), 1..12),
            1..8,
        ),
        crash in 0..8_usize,
    ) {
        let mut running = shape.operator(HashMap::new());
        let (mut all, mut shown): (Vec<Row>, Vec<String>) = (Vec::new(), Vec::new());
        for (at, steps) in batches.into_iter().enumerate() {
            if at == crash {
                let tables = checkpoint(&mut running);
                running = shape.operator(tables);
            }
            let mut changes = Vec::new();
            for (row, which, action) in steps {
                if shape.changing && action == 0 && !all.is_empty() {
                    changes.push((Delete, all.remove(which.index(all.len()))));
                } else {
                    all.push(row);
                    changes.push((Insert, row));
                }
            }
            let made = push(&mut running, 0, batch(&changes));
            shape.apply(&mut shown, &made);
            shown.sort();
            prop_assert_eq!(&shown, &shape.expected(&all));
        }
    }
}

#[test]
fn ranks_that_move_are_updated_once_per_batch() {
    let shape = Shape { from: 1, to: 2, number: true, before: true, changing: false };
    let mut operator = shape.operator(HashMap::new());
    let row = |order, id| (Some(1), Some(order), id);
    assert_eq!(
        push(&mut operator, 0, inserts(&[row(5, 1), row(7, 2), row(6, 3)])),
        ["+I 1 7 2 1", "+I 1 6 3 2"]
    );
    assert!(push(&mut operator, 0, inserts(&[row(6, 4), row(1, 5)])).is_empty());
    let made = push(&mut operator, 0, inserts(&[row(8, 6)]));
    assert_eq!(made, ["-U 1 7 2 1", "+U 1 8 6 1", "-U 1 6 3 2", "+U 1 7 2 2"]);
}

#[test]
fn without_numbers_rows_come_and_go() {
    let shape = Shape { from: 1, to: 2, number: false, before: true, changing: false };
    let mut operator = shape.operator(HashMap::new());
    let row = |order, id| (Some(1), Some(order), id);
    push(&mut operator, 0, inserts(&[row(5, 1), row(7, 2)]));
    assert_eq!(push(&mut operator, 0, inserts(&[row(6, 3)])), ["-D 1 5 1", "+I 1 6 3"]);
}

#[test]
fn a_changelog_without_replaced_rows_is_refused() {
    let node = TopNNode {
        partition: vec![0],
        order: Vec::new(),
        from: 1,
        to: 1,
        number: false,
        window: None,
        emit_before: false,
    };
    let upsert = Changes::Upsert(vec![0]);
    let mut ctx = restored(HashMap::new(), NO_WATERMARK);
    let made = TopNOperator::new(&node, &upsert, &upsert, &[input()], &input(), &mut ctx);
    assert!(made.is_err_and(|error| error.to_string().contains("replaced")));
}

fn windowed(tables: HashMap<String, Table>, watermark: i64) -> WindowTopNOperator {
    let node = TopNNode {
        partition: Vec::new(),
        order: vec![SortColumn { column: 0, descending: false, nulls_first: true }],
        from: 1,
        to: 2,
        number: true,
        window: Some((1, 2)),
        emit_before: false,
    };
    let input = schema(&[("o", DataType::Int64), ("s", instant()), ("e", instant())]);
    let output = schema(&[
        ("o", DataType::Int64),
        ("s", instant()),
        ("e", instant()),
        ("rn", DataType::Int64),
    ]);
    let mut ctx = restored(tables, watermark);
    let append = Changes::Append;
    WindowTopNOperator::new(&node, (1, 2), &append, &[input], &output, &mut ctx).unwrap()
}

/// Order and number of the window.
fn in_windows(of: &[(i64, i64)]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|row| Some(row.0))),
        instants(of.iter().map(|row| Some(row.1 * 10))),
        instants(of.iter().map(|row| Some(row.1 * 10 + 10))),
    ];
    let schema = schema(&[("o", DataType::Int64), ("s", instant()), ("e", instant())]);
    Batch::append(rows(&schema, columns))
}

#[test]
fn a_window_is_ranked_when_it_closes_also_after_a_crash() {
    let mut operator = windowed(HashMap::new(), NO_WATERMARK);
    assert!(push(&mut operator, 0, in_windows(&[(5, 0), (3, 0), (4, 0), (1, 1)])).is_empty());
    assert!(advance(&mut operator, 9).is_empty());
    let mut operator = windowed(checkpoint(&mut operator), 9);
    push(&mut operator, 0, in_windows(&[(9, 1), (2, 0)]));
    assert_eq!(advance(&mut operator, 10), ["+I 2 0 10 1", "+I 3 0 10 2"]);
    let mut out = Output::default();
    operator.process(0, in_windows(&[(0, 0), (0, 1)]), &mut out).unwrap();
    assert_eq!(out.late[0].num_rows(), 1);
    assert_eq!(advance(&mut operator, END_OF_TIME), ["+I 0 10 20 1", "+I 1 10 20 2"]);
}
