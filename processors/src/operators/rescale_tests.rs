//! State of one instance goes on in several: each finds its keys by key group, and nobody else's.

use std::collections::HashMap;

use arrow::array::UInt32Array;
use arrow::datatypes::{DataType, Schema, SchemaRef};

use millrace_plan::{
    AggregateCall, AggregateFn, Changes, DeduplicateNode, Exchange, GroupAggregateNode, Input,
    IntervalJoinNode, JobPlan, JoinKind, Node, NodeId, NodeKind, OperatorId, SortColumn,
    SourceNode, TopNNode, WindowAggregateNode, WindowJoinNode, WindowKind, Windows,
};
use millrace_state::{Key, KeyGroup, KeyGroups, RowCodec, Rows, Table, hash};

use super::build;
use super::testing::{advance, checkpoint, instant, instants, longs, push, restored, rows, schema};
use crate::{Batch, END_OF_TIME, NO_WATERMARK, Operator};

const INSTANCES: usize = 3;

fn input() -> SchemaRef {
    schema(&[
        ("k", DataType::Int64),
        ("t", instant()),
        ("id", DataType::Int64),
        ("s", instant()),
        ("e", instant()),
    ])
}

/// Rows whose times move on with `step`, out of order.
fn batch(step: i64) -> Batch {
    let ids: Vec<i64> = (0..60).map(|row| step * 60 + row).collect();
    let time = |id: &i64| step * 5 + (id * 7) % 13;
    let window = |id: &i64| time(id).div_euclid(10) * 10;
    let columns = vec![
        longs(ids.iter().map(|id| Some((id * 31) % 331))),
        instants(ids.iter().map(|id| Some(time(id)))),
        longs(ids.iter().map(|id| Some(*id))),
        instants(ids.iter().map(|id| Some(window(id)))),
        instants(ids.iter().map(|id| Some(window(id) + 10))),
    ];
    Batch::append(rows(&input(), columns))
}

fn operator(kind: &NodeKind, tables: HashMap<String, Table>, watermark: i64) -> Box<dyn Operator> {
    let node = |id: usize, kind: NodeKind, inputs: Vec<Input>, changes, schema| Node {
        id: NodeId(id),
        operator: OperatorId("operator".into()),
        kind,
        inputs,
        schema,
        changes,
        event_time: None,
    };
    let source = SourceNode { name: "rows".into(), columns: Vec::new(), watermark: None };
    let source = node(0, NodeKind::Source(source), Vec::new(), Changes::Append, input());
    let (inputs, width) = match kind {
        NodeKind::WindowJoin(_) | NodeKind::IntervalJoin(_) => (2, 10),
        _ => (1, 5),
    };
    let edge = Input { from: NodeId(0), exchange: Exchange::Hash(vec![0]) };
    let both = [input().fields().to_vec(), input().fields().to_vec()].concat();
    let output: SchemaRef = match kind {
        NodeKind::WindowAggregate(node) => aggregated(3, node.aggregates.len()),
        NodeKind::GroupAggregate(node) => aggregated(0, node.aggregates.len()),
        _ => Schema::new(both[..width].to_vec()).into(),
    };
    let changes = Changes::Upsert((0..5).collect());
    let operator = node(1, kind.clone(), vec![edge; inputs], changes, output);
    let plan = JobPlan { nodes: vec![source, operator], ..JobPlan::default() };
    build(plan.node(NodeId(1)), &plan, &mut restored(tables, watermark)).unwrap()
}

/// A key, so many columns of a window, so many aggregates.
fn aggregated(window: usize, aggregates: usize) -> SchemaRef {
    let mut fields = vec![("k", DataType::Int64)];
    fields.extend(vec![("w", instant()); window]);
    fields.extend(vec![("n", DataType::Int64); aggregates]);
    schema(&fields)
}

/// Aggregates of every window, and without.
fn aggregates() -> Vec<NodeKind> {
    let call = |function, distinct| AggregateCall {
        function,
        args: vec![2],
        arg_types: vec![DataType::Int64],
        distinct,
        filter: None,
        output: DataType::Int64,
        name: "n".to_owned(),
    };
    let calls = vec![call(AggregateFn::Sum, false), call(AggregateFn::Count, true)];
    let group = GroupAggregateNode {
        keys: vec![0],
        aggregates: calls.clone(),
        input_changes: true,
        emit_before: true,
    };
    let assigned = |window| Windows::Assigned { window, time: 1 };
    let windows = [
        assigned(WindowKind::Tumble { size: 10, offset: 0 }),
        assigned(WindowKind::Hop { size: 20, slide: 5, offset: 0 }),
        assigned(WindowKind::Cumulate { size: 20, step: 5, offset: 0 }),
        assigned(WindowKind::Session { gap: 8 }),
        Windows::Attached { start: 3, end: 4 },
    ];
    let windowed = windows.map(|windows| {
        NodeKind::WindowAggregate(WindowAggregateNode {
            keys: vec![0],
            windows,
            aggregates: calls.clone(),
        })
    });
    windowed.into_iter().chain([NodeKind::GroupAggregate(group)]).collect()
}

/// The share of each instance of the tables.
fn share(tables: HashMap<String, Table>) -> Vec<HashMap<String, Table>> {
    let mut shares: Vec<HashMap<String, Table>> = (0..INSTANCES).map(|_| HashMap::new()).collect();
    for (name, mut table) in tables {
        for share in &mut shares {
            share.insert(name.clone(), Table::new(name.clone()));
        }
        for namespace in table.namespaces(i64::MIN, i64::MAX).unwrap() {
            table
                .scan(namespace, |group, key, value| {
                    let owner = KeyGroups::owner(group, INSTANCES);
                    let into = shares[owner].get_mut(&name).unwrap();
                    into.put(namespace, Key::within(group, key), value).unwrap();
                })
                .unwrap();
        }
    }
    shares
}

/// The rows of each instance, as an exchange by the key deals them.
fn deal(batch: &Batch) -> Vec<Batch> {
    let mut keys = Rows::new();
    let codec = RowCodec::new(&[DataType::Int64]).unwrap();
    codec.encode(&batch.rows.columns()[..1], &mut keys).unwrap();
    let owner =
        |row: &u32| KeyGroups::owner(KeyGroup::of(hash(keys.get(*row as usize))), INSTANCES);
    let rows = u32::try_from(batch.len()).unwrap();
    let of = |instance: usize| (0..rows).filter(|row| owner(row) == instance).collect::<Vec<_>>();
    (0..INSTANCES).map(|at| batch.take(&UInt32Array::from(of(at))).unwrap()).collect()
}

fn ports(kind: &NodeKind) -> usize {
    if matches!(kind, NodeKind::WindowJoin(_) | NodeKind::IntervalJoin(_)) { 2 } else { 1 }
}

fn kinds() -> Vec<NodeKind> {
    let top = |window| {
        NodeKind::TopN(TopNNode {
            partition: vec![0],
            order: vec![SortColumn { column: 2, descending: true, nulls_first: true }],
            from: 1,
            to: 2,
            number: false,
            window,
            emit_before: false,
        })
    };
    let deduplicate = |window, keep_last| {
        NodeKind::Deduplicate(DeduplicateNode {
            keys: vec![0],
            time: 1,
            keep_last,
            window,
            emit_before: true,
        })
    };
    vec![
        top(None),
        top(Some((3, 4))),
        deduplicate(None, false),
        deduplicate(None, true),
        deduplicate(Some((3, 4)), true),
        NodeKind::WindowJoin(WindowJoinNode {
            kind: JoinKind::Full,
            on: vec![(0, 0)],
            left_window: (3, 4),
            right_window: (3, 4),
            filter: None,
        }),
        NodeKind::IntervalJoin(IntervalJoinNode {
            kind: JoinKind::Full,
            on: vec![(0, 0)],
            left_time: 1,
            right_time: 1,
            lower_us: -1,
            upper_us: 2,
            filter: None,
        }),
    ]
}

#[test]
fn several_instances_go_on_where_one_stopped() {
    for kind in kinds().into_iter().chain(aggregates()) {
        let mut one = operator(&kind, HashMap::new(), NO_WATERMARK);
        let mut stopped = operator(&kind, HashMap::new(), NO_WATERMARK);
        for step in 0..4 {
            for port in 0..ports(&kind) {
                push(one.as_mut(), port, batch(step));
                push(stopped.as_mut(), port, batch(step));
            }
        }
        let watermark = 17;
        advance(one.as_mut(), watermark);
        advance(stopped.as_mut(), watermark);
        let mut several: Vec<_> = share(checkpoint(stopped.as_mut()))
            .into_iter()
            .map(|tables| operator(&kind, tables, watermark))
            .collect();

        let (mut expected, mut made) = (Vec::new(), Vec::new());
        for step in 4..8 {
            for port in 0..ports(&kind) {
                expected.extend(push(one.as_mut(), port, batch(step)));
                for (instance, rows) in several.iter_mut().zip(deal(&batch(step))) {
                    made.extend(push(instance.as_mut(), port, rows));
                }
            }
        }
        expected.extend(advance(one.as_mut(), END_OF_TIME));
        for instance in &mut several {
            made.extend(advance(instance.as_mut(), END_OF_TIME));
        }
        expected.sort();
        made.sort();
        assert!(!expected.is_empty(), "{kind:?}");
        assert_eq!(made, expected, "{kind:?}");
    }
}
