//! Windowed aggregates against a model that keeps every row, through crashes and any batching.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use proptest::prelude::*;

use millrace_plan::{AggregateCall, AggregateFn, WindowAggregateNode, WindowKind, Windows};

use super::{SessionOperator, WindowAggregateOperator};
use crate::operators::testing::{
    checkpoint, instant, instants, lines, longs, restored, rows, schema,
};
use crate::{Batch, END_OF_TIME, Micros, NO_WATERMARK, Operator, OperatorContext, Output};

/// Key, time, value, and for attached windows the end (the time is then the start).
type Row = (Option<i64>, Micros, Option<i64>, Micros);

#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<Row>),
    Advance(Micros),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = prop_oneof![1 => Just(None), 4 => (0..4_i64).prop_map(Some)];
    let value = prop_oneof![1 => Just(None), 4 => (0..5_i64).prop_map(Some)];
    // Times around what the watermark will be, so that some are late.
    let row = (key, 0..90_i64, value, 1..4_i64).prop_map(|(k, t, v, e)| (k, t, v, t + e * 10));
    let step = prop_oneof![
        4 => prop::collection::vec(row, 1..12).prop_map(Step::Rows),
        3 => (0..12_i64).prop_map(Step::Advance),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..25)
}

fn windows() -> impl Strategy<Value = Windows> {
    let assigned = |window| Windows::Assigned { window, time: 1 };
    prop_oneof![
        Just(assigned(WindowKind::Tumble { size: 10, offset: 3 })),
        Just(assigned(WindowKind::Hop { size: 20, slide: 5, offset: 2 })),
        Just(assigned(WindowKind::Cumulate { size: 20, step: 5, offset: 1 })),
        Just(assigned(WindowKind::Session { gap: 7 })),
        Just(assigned(WindowKind::Session { gap: 32 })),
        Just(Windows::Attached { start: 1, end: 3 }),
    ]
}

fn input() -> SchemaRef {
    let long = DataType::Int64;
    schema(&[("k", long.clone()), ("t", instant()), ("v", long), ("e", instant())])
}

fn batch(of: &[Row]) -> Batch {
    let columns = vec![
        longs(of.iter().map(|row| row.0)),
        instants(of.iter().map(|row| Some(row.1))),
        longs(of.iter().map(|row| row.2)),
        instants(of.iter().map(|row| Some(row.3))),
    ];
    Batch::append(rows(&input(), columns))
}

fn operator(windows: &Windows, ctx: &mut OperatorContext) -> Box<dyn Operator> {
    let call = |function, distinct| AggregateCall {
        function,
        args: vec![2],
        arg_types: vec![DataType::Int64],
        distinct,
        filter: None,
        output: DataType::Int64,
        name: "n".to_owned(),
    };
    let node = WindowAggregateNode {
        keys: vec![0],
        windows: windows.clone(),
        aggregates: vec![
            call(AggregateFn::CountRows, false),
            call(AggregateFn::Sum, false),
            call(AggregateFn::Count, true),
            call(AggregateFn::Min, false),
        ],
    };
    let mut fields = vec![("k", DataType::Int64)];
    fields.extend(["s", "e", "t"].map(|name| (name, instant())));
    fields.extend(["n", "s", "d", "m"].map(|name| (name, DataType::Int64)));
    let (inputs, output) = ([input()], schema(&fields));
    match windows {
        Windows::Assigned { window: WindowKind::Session { .. }, .. } => {
            Box::new(SessionOperator::new(&node, &inputs, &output, ctx).unwrap())
        }
        _ => Box::new(WindowAggregateOperator::new(&node, &inputs, &output, ctx).unwrap()),
    }
}

/// End, key and start.
type Window = (Micros, Option<i64>, Micros);

/// Every row of every open window.
#[derive(Default)]
struct Model {
    /// The times (for sessions) and values of the rows.
    open: BTreeMap<Window, Vec<(Micros, Option<i64>)>>,
    late: usize,
}

impl Model {
    fn add(&mut self, windows: &Windows, row: Row, watermark: Micros) {
        let (key, time, value, end) = row;
        let of_row = match windows {
            Windows::Attached { .. } => vec![(time, end)],
            Windows::Assigned { window: WindowKind::Session { gap }, .. } => {
                return self.add_to_session(row, *gap, watermark);
            }
            Windows::Assigned { window, .. } => window.windows_of_pane(window.pane_start(time)),
        };
        let mut late = true;
        for (start, end) in of_row.into_iter().filter(|(_, end)| *end > watermark) {
            late = false;
            self.open.entry((end, key, start)).or_default().push((time, value));
        }
        self.late += usize::from(late);
    }

    fn add_to_session(&mut self, (key, time, value, _): Row, gap: Micros, watermark: Micros) {
        let near = |(end, of, start): &Window| *of == key && *start <= time + gap && time <= *end;
        let touched: Vec<_> = self.open.keys().filter(|window| near(window)).copied().collect();
        if touched.is_empty() && time + gap < watermark {
            self.late += 1;
            return;
        }
        let mut all = vec![(time, value)];
        for window in touched {
            all.extend(self.open.remove(&window).unwrap());
        }
        let first = all.iter().map(|row| row.0).min().unwrap();
        let last = all.iter().map(|row| row.0).max().unwrap();
        self.open.insert((last + gap, key, first), all);
    }

    fn fire(&mut self, watermark: Micros, session: bool) -> Vec<String> {
        let after = if session { watermark.saturating_sub(1) } else { watermark };
        let due: Vec<_> = self.open.keys().filter(|window| window.0 <= after).copied().collect();
        let line = |window: Window| {
            let values = self.open.remove(&window).unwrap();
            let known: Vec<i64> = values.iter().filter_map(|row| row.1).collect();
            let text = |value: Option<i64>| value.map_or("null".to_owned(), |v| v.to_string());
            let sum = (!known.is_empty()).then(|| known.iter().sum());
            let distinct = known.iter().collect::<BTreeSet<_>>().len();
            let (end, key, start) = window;
            format!(
                "+I {} {start} {end} {} {} {} {distinct} {}",
                text(key),
                end - 1_000,
                values.len(),
                text(sum),
                text(known.iter().min().copied()),
            )
        };
        due.into_iter().map(line).collect()
    }
}

/// Window ends, in the order of lines.
fn ends(lines: &[String]) -> Vec<Micros> {
    lines.iter().map(|line| line.split(' ').nth(3).unwrap().parse().unwrap()).collect()
}

proptest! {
    #[test]
    fn equals_a_model_that_keeps_every_row(windows in windows(), mut steps in steps()) {
        steps.push(Step::Advance(END_OF_TIME));
        let session =
            matches!(windows, Windows::Assigned { window: WindowKind::Session { .. }, .. });
        let (mut model, mut watermark, mut late) = (Model::default(), NO_WATERMARK, 0);
        let mut operator_now = operator(&windows, &mut OperatorContext::fresh("w"));
        for step in steps {
            let mut out = Output::default();
            let expected = match step {
                Step::Rows(rows) => {
                    operator_now.process(0, batch(&rows), &mut out).unwrap();
                    for row in rows {
                        model.add(&windows, row, watermark);
                    }
                    Vec::new()
                }
                Step::Advance(by) => {
                    watermark = watermark.max(0).saturating_add(by);
                    operator_now.watermark(watermark, &mut out).unwrap();
                    model.fire(watermark, session)
                }
                Step::Crash => {
                    let mut ctx = restored(checkpoint(operator_now.as_mut()), watermark);
                    operator_now = operator(&windows, &mut ctx);
                    Vec::new()
                }
            };
            late += out.late.iter().map(RecordBatch::num_rows).sum::<usize>();
            let mut found = lines(&out.batches);
            prop_assert!(ends(&found).is_sorted(), "{:?}", found);
            let mut expected = expected;
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(late, model.late);
        for table in operator_now.tables() {
            prop_assert_eq!(table.first_namespace().unwrap(), None, "{} is not empty", table.name());
        }
    }
}
