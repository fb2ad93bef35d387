//! De-duplication against the first and last row of each key, for late rows, cuts and crashes.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use proptest::prelude::*;

use millrace_plan::DeduplicateNode;
use millrace_state::Table;

use super::keep_first::KeepFirstOperator;
use super::keep_last::KeepLastOperator;
use super::testing::{
    advance, checkpoint, instant, instants, lines, longs, push, restored, rows, schema,
};
use super::window_deduplicate::WindowDeduplicateOperator;
use crate::{Batch, END_OF_TIME, NO_WATERMARK, Operator, Output};

/// Key, time, identity.
type Row = (Option<i64>, Option<i64>, i64);

fn input() -> SchemaRef {
    schema(&[
        ("k", DataType::Int64),
        ("t", instant()),
        ("id", DataType::Int64),
        ("s", instant()),
        ("e", instant()),
    ])
}

/// Windows of length 10.
fn window(row: &Row) -> i64 {
    row.1.unwrap_or(0).div_euclid(10) * 10
}

fn batch(of: &[Row]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|row| row.0)),
        instants(of.iter().map(|row| row.1)),
        longs(of.iter().map(|row| Some(row.2))),
        instants(of.iter().map(|row| Some(window(row)))),
        instants(of.iter().map(|row| Some(window(row) + 10))),
    ];
    Batch::append(rows(&input(), columns))
}

#[derive(Debug, Clone, Copy)]
struct Form {
    last: bool,
    windowed: bool,
    before: bool,
}

impl Form {
    fn operator(self, tables: HashMap<String, Table>, watermark: i64) -> Box<dyn Operator> {
        let window = self.windowed.then_some((3, 4));
        let node = DeduplicateNode {
            keys: vec![0],
            time: 1,
            keep_last: self.last,
            window,
            emit_before: self.before,
        };
        let (inputs, output) = ([input()], input());
        let mut ctx = restored(tables, watermark);
        match (window, self.last) {
            (Some(window), _) => Box::new(
                WindowDeduplicateOperator::new(&node, window, &inputs, &output, &mut ctx).unwrap(),
            ),
            (None, true) => {
                Box::new(KeepLastOperator::new(&node, &inputs, &output, &mut ctx).unwrap())
            }
            (None, false) => {
                Box::new(KeepFirstOperator::new(&node, &inputs, &output, &mut ctx).unwrap())
            }
        }
    }

    fn is_late(self, row: &Row, watermark: i64) -> bool {
        match (self.windowed, self.last) {
            (true, _) => window(row) + 10 <= watermark,
            (false, true) => false,
            (false, false) => row.1.is_none_or(|time| time < watermark),
        }
    }

    /// The identity of the row of each key (and window).
    fn expected(self, all: &[Row]) -> Vec<i64> {
        let mut kept: BTreeMap<(Option<i64>, i64), Row> = BTreeMap::new();
        for row in all {
            let key = (row.0, if self.windowed { window(row) } else { 0 });
            let known = kept.entry(key).or_insert(*row);
            let time = |row: &Row| row.1.unwrap_or(if self.last { i64::MIN } else { i64::MAX });
            let replaces =
                if self.last { time(row) >= time(known) } else { time(row) < time(known) };
            if replaces {
                *known = *row;
            }
        }
        let mut ids: Vec<i64> = kept.values().map(|row| row.2).collect();
        ids.sort_unstable();
        ids
    }

    /// Applies a changelog to the rows by key (and window).
    fn apply(self, rows: &mut BTreeMap<String, i64>, changes: &[String]) {
        for (at, change) in changes.iter().enumerate() {
            let parts: Vec<_> = change.split(' ').collect();
            let key = format!("{} {}", parts[1], if self.windowed { parts[4] } else { "" });
            let id = parts[3].parse().unwrap();
            match parts[0] {
                "+I" => assert_eq!(rows.insert(key, id), None, "{change}"),
                "+U" => {
                    assert!(!self.before || changes[at - 1].starts_with("-U"), "{changes:?}");
                    assert!(rows.insert(key, id).is_some(), "{change}");
                }
                "-U" => assert_eq!(rows.get(&key), Some(&id), "{change}"),
                other => panic!("{other}"),
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<(Option<i64>, Option<i64>)>),
    Watermark(i64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row =
        (proptest::option::weighted(0.9, 0..4_i64), proptest::option::weighted(0.9, 0..40_i64));
    let step = prop_oneof![
        4 => proptest::collection::vec(row, 1..20).prop_map(Step::Rows),
        2 => (0..50_i64).prop_map(Step::Watermark),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..12)
}

proptest! {
    #[test]
    fn equals_the_first_or_last_row_of_each_key(
        steps in steps(),
        last in any::<bool>(),
        windowed in any::<bool>(),
        before in any::<bool>(),
    ) {
        let form = Form { last, windowed, before };
        let mut running = form.operator(HashMap::new(), NO_WATERMARK);
        let mut watermark = NO_WATERMARK;
        let mut late = 0;
        let mut all = Vec::new();
        let mut shown = BTreeMap::new();
        let mut id = 0;
        for step in steps {
            match step {
                Step::Rows(rows) => {
                    let rows: Vec<Row> = rows.iter().map(|(key, time)| {
                        id += 1;
                        (*key, *time, id)
                    }).collect();
                    let mut out = Output::default();
                    running.process(0, batch(&rows), &mut out).unwrap();
                    form.apply(&mut shown, &lines(&out.batches));
                    late += out.late.iter().map(RecordBatch::num_rows).sum::<usize>();
                    all.extend(rows.into_iter().filter(|row| !form.is_late(row, watermark)));
                }
                Step::Watermark(to) => {
                    watermark = watermark.max(to);
                    form.apply(&mut shown, &advance(running.as_mut(), watermark));
                }
                Step::Crash => {
                    let tables = checkpoint(running.as_mut());
                    running = form.operator(tables, watermark);
                }
            }
        }
        form.apply(&mut shown, &advance(running.as_mut(), END_OF_TIME));
        let mut ids: Vec<i64> = shown.into_values().collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, form.expected(&all));
        prop_assert_eq!(late + all.len(), usize::try_from(id).unwrap());
    }
}

#[test]
fn the_first_row_is_sent_when_no_earlier_one_can_come() {
    let form = Form { last: false, windowed: false, before: false };
    let mut operator = form.operator(HashMap::new(), NO_WATERMARK);
    let some = batch(&[(Some(1), Some(7), 1), (Some(1), Some(5), 2), (Some(2), Some(6), 3)]);
    assert!(push(operator.as_mut(), 0, some).is_empty());
    assert!(advance(operator.as_mut(), 4).is_empty());
    assert_eq!(advance(operator.as_mut(), 5), ["+I 1 5 2 0 10"]);
    push(operator.as_mut(), 0, batch(&[(Some(1), Some(8), 4), (Some(2), Some(5), 5)]));
    assert_eq!(advance(operator.as_mut(), 9), ["+I 2 5 5 0 10"]);
}

#[test]
fn the_last_row_is_updated_once_per_batch() {
    let form = Form { last: true, windowed: false, before: true };
    let mut operator = form.operator(HashMap::new(), NO_WATERMARK);
    let some = batch(&[(Some(1), Some(5), 1), (Some(1), Some(5), 2), (Some(2), Some(6), 3)]);
    assert_eq!(push(operator.as_mut(), 0, some), ["+I 1 5 2 0 10", "+I 2 6 3 0 10"]);
    let some = batch(&[(Some(2), Some(1), 4), (Some(1), Some(12), 5), (Some(3), Some(0), 6)]);
    let made = push(operator.as_mut(), 0, some);
    assert_eq!(made, ["-U 1 5 2 0 10", "+U 1 12 5 10 20", "+I 3 0 6 0 10"]);
}
