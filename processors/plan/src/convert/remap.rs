//! Rewriting a node for inputs that have lost columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Fields, Schema, SchemaRef};

use super::expression::{Expression, as_column, renumber};
use super::operators::appended;
use crate::{AggregateCall, Changes, Exchange, Node, NodeKind, Windows};

/// Where old columns are now; `None` for those that are gone.
pub(crate) type Map = Vec<Option<usize>>;

/// A node over its new inputs, and where its own columns are now.
pub(crate) fn remap(
    mut node: Node,
    wanted: &BTreeSet<usize>,
    inputs: &[(&Map, &SchemaRef)],
) -> (Node, Map) {
    let old = node.schema.clone();
    let width = inputs.first().map_or(0, |(map, _)| map.len());
    let kept = kept(&node, wanted, inputs, width);
    let map = numbered(&kept);
    node.schema = Arc::new(Schema::new(
        (0..old.fields().len())
            .filter(|column| kept[*column])
            .map(|column| old.fields()[column].clone())
            .collect::<Fields>(),
    ));
    let at = |map: &Map, column: usize| map[column].expect("what a node reads is kept");
    for (input, (of, _)) in node.inputs.iter_mut().zip(inputs) {
        if let Exchange::Hash(columns) = &mut input.exchange {
            for column in columns {
                *column = at(of, *column);
            }
        }
    }
    match &mut node.changes {
        Changes::Append => {}
        Changes::Upsert(key) | Changes::Retract(key) => {
            for column in key {
                *column = at(&map, *column);
            }
        }
    }
    rewrite(&mut node.kind, &kept, inputs, width);
    (node, map)
}

/// Which columns of the output stay.
fn kept(
    node: &Node,
    wanted: &BTreeSet<usize>,
    inputs: &[(&Map, &SchemaRef)],
    width: usize,
) -> Vec<bool> {
    let all = 0..node.schema.fields().len();
    let of_input = |port: usize, column: usize| inputs[port].0[column].is_some();
    match &node.kind {
        NodeKind::Source(source) => {
            let time = source.watermark.as_ref().map(|watermark| watermark.column);
            all.map(|column| wanted.contains(&column) || time == Some(column)).collect()
        }
        NodeKind::Project(_) => all.map(|column| wanted.contains(&column)).collect(),
        NodeKind::WindowAggregate(window) => {
            all.map(|column| column < window.keys.len() + 3 || wanted.contains(&column)).collect()
        }
        NodeKind::GroupAggregate(group) => {
            all.map(|column| column < group.keys.len() || wanted.contains(&column)).collect()
        }
        NodeKind::WindowJoin(_) | NodeKind::IntervalJoin(_) => all
            .map(|column| match column.checked_sub(width) {
                None => of_input(0, column),
                Some(column) => of_input(1, column),
            })
            .collect(),
        // These pass their input on, and add columns that stay.
        NodeKind::Unnest(_)
        | NodeKind::Union
        | NodeKind::AssignWindows(_)
        | NodeKind::TopN(_)
        | NodeKind::Deduplicate(_)
        | NodeKind::Sink(_) => all.map(|column| column >= width || of_input(0, column)).collect(),
    }
}

fn numbered(kept: &[bool]) -> Map {
    let mut next = 0;
    let mut number = |kept: &bool| {
        kept.then(|| {
            next += 1;
            next - 1
        })
    };
    kept.iter().map(&mut number).collect()
}

fn rewrite(kind: &mut NodeKind, kept: &[bool], inputs: &[(&Map, &SchemaRef)], width: usize) {
    let at = |port: usize, column: &mut usize| {
        *column = inputs[port].0[*column].expect("what a node reads is kept");
    };
    let first = |columns: &mut Vec<usize>| columns.iter_mut().for_each(|column| at(0, column));
    match kind {
        NodeKind::Source(source) => source.columns.retain(|column| kept[*column]),
        NodeKind::Project(project) => {
            let mut column = 0..;
            project.columns.retain(|_| kept[column.next().expect("numbers do not end")]);
            let (map, schema) = inputs[0];
            for expression in project.columns.iter_mut().chain(&mut project.filter) {
                *expression = over(expression, map, schema);
            }
        }
        NodeKind::Unnest(unnest) => first(&mut unnest.lists),
        NodeKind::Union | NodeKind::Sink(_) => {}
        NodeKind::AssignWindows(assign) => at(0, &mut assign.time),
        NodeKind::WindowAggregate(window) => {
            keep_calls(&mut window.aggregates, kept, window.keys.len() + 3, inputs[0].0);
            first(&mut window.keys);
            match &mut window.windows {
                Windows::Assigned { time, .. } => at(0, time),
                Windows::Attached { start, end } => [start, end].into_iter().for_each(|c| at(0, c)),
            }
        }
        NodeKind::GroupAggregate(group) => {
            keep_calls(&mut group.aggregates, kept, group.keys.len(), inputs[0].0);
            first(&mut group.keys);
        }
        NodeKind::WindowJoin(join) => {
            for (port, window) in [(0, &mut join.left_window), (1, &mut join.right_window)] {
                at(port, &mut window.0);
                at(port, &mut window.1);
            }
            join.on.iter_mut().for_each(|(left, right)| (at(0, left), at(1, right)).0);
            join.filter = join.filter.take().map(|filter| over_both(&filter, inputs, width));
        }
        NodeKind::IntervalJoin(join) => {
            at(0, &mut join.left_time);
            at(1, &mut join.right_time);
            join.on.iter_mut().for_each(|(left, right)| (at(0, left), at(1, right)).0);
            join.filter = join.filter.take().map(|filter| over_both(&filter, inputs, width));
        }
        NodeKind::TopN(top) => {
            first(&mut top.partition);
            top.order.iter_mut().for_each(|order| at(0, &mut order.column));
            top.window.iter_mut().for_each(|(start, end)| (at(0, start), at(0, end)).0);
        }
        NodeKind::Deduplicate(deduplicate) => {
            first(&mut deduplicate.keys);
            at(0, &mut deduplicate.time);
            deduplicate.window.iter_mut().for_each(|(start, end)| (at(0, start), at(0, end)).0);
        }
    }
}

fn keep_calls(calls: &mut Vec<AggregateCall>, kept: &[bool], from: usize, map: &Map) {
    let mut column = from..;
    calls.retain(|_| kept[column.next().expect("numbers do not end")]);
    for column in calls.iter_mut().flat_map(|call| call.args.iter_mut().chain(&mut call.filter)) {
        *column = map[*column].expect("what a call reads is kept");
    }
}

fn over(expression: &Expression, map: &Map, schema: &Schema) -> Expression {
    renumber(expression, schema, |column| map[column].expect("what an expression reads is kept"))
}

/// A condition over the columns of both sides of a join.
fn over_both(filter: &Expression, inputs: &[(&Map, &SchemaRef)], width: usize) -> Expression {
    let ((left, l), (right, r)) = (inputs[0], inputs[1]);
    let others = r.fields().iter().map(|field| (field.name().clone(), field.data_type().clone()));
    let schema = appended(l, others);
    let offset = l.fields().len();
    let whole: Map = left
        .iter()
        .copied()
        .chain(right.iter().map(|column| column.map(|column| offset + column)))
        .collect();
    debug_assert_eq!(left.len(), width, "the left side comes first");
    over(filter, &whole, &schema)
}

/// Whether a node gives every row of its input as it is.
pub(crate) fn changes_nothing(node: &Node, input: &Schema) -> bool {
    let NodeKind::Project(project) = &node.kind else { return false };
    project.filter.is_none()
        && project.columns.len() == input.fields().len()
        && project.columns.iter().enumerate().all(|(n, column)| as_column(column) == Some(n))
        && node.schema.fields().iter().zip(input.fields()).all(|(a, b)| a.name() == b.name())
}
