//! Which columns of each node are needed by those that read it.

use std::collections::BTreeSet;

use super::expression::used;
use super::graph::{Draft, Graph};
use crate::{AggregateCall, JoinKind, NodeKind, Windows};

/// For each node, the columns of its output that are read.
pub(crate) fn wanted(graph: &Graph) -> Vec<BTreeSet<usize>> {
    let mut wanted = vec![BTreeSet::new(); graph.drafts.len()];
    for draft in graph.drafts.iter().rev() {
        if wanted[draft.node.id.0].is_empty() && !draft.roles.is_empty() {
            // Rows must have a column; one that is there anyway costs nothing.
            let time = draft.roles.iter().position(|role| role.is_time());
            wanted[draft.node.id.0].insert(time.unwrap_or(0));
        }
        let own = wanted[draft.node.id.0].clone();
        let widths: Vec<usize> =
            draft.node.inputs.iter().map(|input| graph.schema(input.from).fields().len()).collect();
        for (input, reads) in draft.node.inputs.iter().zip(reads(draft, &own, &widths)) {
            wanted[input.from.0].extend(reads);
        }
        if let Some(key) = draft.node.changes.key() {
            wanted[draft.node.id.0].extend(key);
        }
    }
    wanted
}

/// The columns of each input that a node reads when `own` of its columns are read.
fn reads(draft: &Draft, own: &BTreeSet<usize>, widths: &[usize]) -> Vec<BTreeSet<usize>> {
    let node = &draft.node;
    // The key of a changelog must stay, whether or not it is read.
    let own: BTreeSet<usize> =
        own.iter().chain(node.changes.key().unwrap_or_default()).copied().collect();
    let width = widths.first().copied().unwrap_or_default();
    let passed = |own: &BTreeSet<usize>| own.range(..width).copied().collect::<BTreeSet<_>>();
    match &node.kind {
        NodeKind::Source(_) => Vec::new(),
        NodeKind::Project(project) => {
            let columns = own.iter().map(|column| &project.columns[*column]);
            vec![columns.chain(&project.filter).flat_map(used).collect()]
        }
        NodeKind::Unnest(unnest) => vec![own.into_iter().chain(unnest.lists.clone()).collect()],
        NodeKind::Union => vec![own; widths.len()],
        NodeKind::AssignWindows(assign) => {
            vec![passed(&own).into_iter().chain([assign.time]).collect()]
        }
        NodeKind::WindowAggregate(window) => {
            let mut reads: BTreeSet<usize> = window.keys.iter().copied().collect();
            match window.windows {
                Windows::Assigned { time, .. } => reads.extend([time]),
                Windows::Attached { start, end } => reads.extend([start, end]),
            }
            reads.extend(read_by_calls(&window.aggregates, window.keys.len() + 3, &own));
            vec![reads]
        }
        NodeKind::GroupAggregate(group) => {
            let mut reads: BTreeSet<usize> = group.keys.iter().copied().collect();
            reads.extend(read_by_calls(&group.aggregates, group.keys.len(), &own));
            vec![reads]
        }
        NodeKind::WindowJoin(join) => {
            let [mut left, mut right] = of_sides(&own, width, join.kind);
            left.extend([join.left_window.0, join.left_window.1]);
            right.extend([join.right_window.0, join.right_window.1]);
            read_by_join(&mut left, &mut right, &join.on, join.filter.as_ref(), width);
            vec![left, right]
        }
        NodeKind::IntervalJoin(join) => {
            let [mut left, mut right] = of_sides(&own, width, join.kind);
            left.extend([join.left_time]);
            right.extend([join.right_time]);
            read_by_join(&mut left, &mut right, &join.on, join.filter.as_ref(), width);
            vec![left, right]
        }
        NodeKind::TopN(top) => {
            let mut reads = passed(&own);
            reads.extend(top.partition.iter().copied());
            reads.extend(top.order.iter().map(|order| order.column));
            reads.extend(top.window.iter().flat_map(|(start, end)| [*start, *end]));
            vec![reads]
        }
        NodeKind::Deduplicate(deduplicate) => {
            let mut reads = passed(&own);
            reads.extend(deduplicate.keys.iter().copied());
            reads.extend([deduplicate.time]);
            reads.extend(deduplicate.window.iter().flat_map(|(start, end)| [*start, *end]));
            vec![reads]
        }
        NodeKind::Sink(_) => vec![(0..width).collect()],
    }
}

/// What those of `calls` read whose results are read; they are the columns from `first` on.
fn read_by_calls(calls: &[AggregateCall], first: usize, own: &BTreeSet<usize>) -> Vec<usize> {
    let read = calls.iter().enumerate().filter(|(n, _)| own.contains(&(first + n)));
    read.flat_map(|(_, call)| call.args.iter().copied().chain(call.filter)).collect()
}

fn of_sides(own: &BTreeSet<usize>, width: usize, kind: JoinKind) -> [BTreeSet<usize>; 2] {
    let left = own.range(..width).copied().collect();
    if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        return [left, BTreeSet::new()];
    }
    [left, own.range(width..).map(|column| column - width).collect()]
}

fn read_by_join(
    left: &mut BTreeSet<usize>,
    right: &mut BTreeSet<usize>,
    on: &[(usize, usize)],
    filter: Option<&super::expression::Expression>,
    width: usize,
) {
    left.extend(on.iter().map(|(left, _)| *left));
    right.extend(on.iter().map(|(_, right)| *right));
    for column in filter.map(used).unwrap_or_default() {
        match column.checked_sub(width) {
            None => left.insert(column),
            Some(column) => right.insert(column),
        };
    }
}
