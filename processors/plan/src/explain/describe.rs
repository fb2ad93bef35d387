//! What there is to say of a node, for every form of `EXPLAIN`.

use arrow::datatypes::{Schema, SchemaRef};

use super::words::{length_text, window_text};
use crate::convert::text;
use crate::{
    AggregateCall, Changes, Exchange, Input, IntervalJoinNode, JobPlan, JoinKind, Node, NodeKind,
    ProjectNode, SortColumn, TopNNode, WindowJoinNode, Windows,
};

/// The kind of a node, as it is called in ids.
pub(crate) fn kind_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Source(_) => "source",
        NodeKind::Project(_) => "project",
        NodeKind::Unnest(_) => "unnest",
        NodeKind::Union => "union",
        NodeKind::AssignWindows(_) => "assign-windows",
        NodeKind::WindowAggregate(_) => "window-aggregate",
        NodeKind::GroupAggregate(_) => "group-aggregate",
        NodeKind::WindowJoin(_) => "window-join",
        NodeKind::IntervalJoin(_) => "interval-join",
        NodeKind::TopN(_) => "top-n",
        NodeKind::Deduplicate(_) => "deduplicate",
        NodeKind::Sink(_) => "sink",
    }
}

/// The columns by which a node keeps its state; for a join those of the left.
pub(crate) fn keys(kind: &NodeKind) -> Vec<usize> {
    match kind {
        NodeKind::WindowAggregate(node) => node.keys.clone(),
        NodeKind::GroupAggregate(node) => node.keys.clone(),
        NodeKind::WindowJoin(node) => node.on.iter().map(|(left, _)| *left).collect(),
        NodeKind::IntervalJoin(node) => node.on.iter().map(|(left, _)| *left).collect(),
        NodeKind::TopN(node) => node.partition.clone(),
        NodeKind::Deduplicate(node) => node.keys.clone(),
        _ => Vec::new(),
    }
}

/// Names of the keys; for a join `left=right`.
pub(crate) fn key_names(node: &Node, nodes: &[Node]) -> Vec<String> {
    let name = |port: usize, column: usize| {
        nodes[node.inputs[port].from.0].schema.field(column).name().clone()
    };
    match &node.kind {
        NodeKind::WindowJoin(join) => pairs(&join.on, &name),
        NodeKind::IntervalJoin(join) => pairs(&join.on, &name),
        kind => keys(kind).into_iter().map(|key| name(0, key)).collect(),
    }
}

/// Types of the keys.
pub(crate) fn key_types(node: &Node, plan: &JobPlan) -> Vec<String> {
    let kind =
        |key: usize| plan.node(node.inputs[0].from).schema.field(key).data_type().to_string();
    keys(&node.kind).into_iter().map(kind).collect()
}

fn pairs(on: &[(usize, usize)], name: &dyn Fn(usize, usize) -> String) -> Vec<String> {
    on.iter().map(|(left, right)| format!("{}={}", name(0, *left), name(1, *right))).collect()
}

/// What a node keeps: the parts of its state, in a form that changes only when the state does.
pub(crate) fn state_parts(node: &Node, plan: &JobPlan) -> Vec<String> {
    let schema = |port: usize| &plan.node(node.inputs[port].from).schema;
    match &node.kind {
        NodeKind::WindowAggregate(aggregate) => calls(&aggregate.aggregates),
        NodeKind::GroupAggregate(aggregate) => {
            let rows = aggregate.input_changes.then(|| "number of rows".to_owned());
            rows.into_iter().chain(calls(&aggregate.aggregates)).collect()
        }
        NodeKind::WindowJoin(WindowJoinNode { kind, .. })
        | NodeKind::IntervalJoin(IntervalJoinNode { kind, .. }) => vec![
            format!("{} join", join_text(*kind)),
            format!("left rows {}", row(schema(0))),
            format!("right rows {}", row(schema(1))),
        ],
        NodeKind::TopN(top) => {
            let order = order_text(&top.order, schema(0));
            let append = plan.node(node.inputs[0].from).changes.is_append();
            let rows =
                if append { format!("first {} rows", top.to) } else { "all rows".to_owned() };
            vec![format!("{rows} by {order} {}", row(schema(0)))]
        }
        NodeKind::Deduplicate(node) => {
            let which = if node.keep_last { "last" } else { "first" };
            let time = schema(0).field(node.time).name();
            if node.keep_last && node.window.is_none() && !node.emit_before {
                return vec![format!("{which} {time} without its row")];
            }
            vec![format!("{which} row by {time} {}", row(schema(0)))]
        }
        _ => Vec::new(),
    }
}

fn calls(calls: &[AggregateCall]) -> Vec<String> {
    if calls.is_empty() {
        return vec!["the keys alone".to_owned()];
    }
    let typed = |call: &AggregateCall| {
        let args: Vec<String> = call.arg_types.iter().map(ToString::to_string).collect();
        format!("{}: ({}) to {}", call.name, args.join(", "), call.output)
    };
    calls.iter().map(typed).collect()
}

fn row(schema: &Schema) -> String {
    let fields = schema.fields().iter().map(|f| format!("{}: {}", f.name(), f.data_type()));
    format!("({})", fields.collect::<Vec<_>>().join(", "))
}

/// Everything that is particular to a node, by what it is called.
pub(crate) fn details(node: &Node, plan: &JobPlan) -> Vec<(&'static str, String)> {
    let below = |port: usize| &plan.node(node.inputs[port].from).schema;
    let name = |column: &usize| below(0).field(*column).name().as_str();
    let mut details = Vec::new();
    let keys = key_names(node, &plan.nodes);
    if !keys.is_empty() {
        details.push(("keys", keys.join(", ")));
    }
    match &node.kind {
        NodeKind::Source(source) => {
            details.push(("columns", names(&node.schema)));
            if let (Some(watermark), Some(time)) = (&source.watermark, node.event_time) {
                let micros =
                    |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
                let time = node.schema.field(time).name();
                let delay = length_text(micros(watermark.delay));
                let idle = length_text(micros(watermark.idle));
                details.push(("watermark", format!("{time} - {delay}, idle after {idle}")));
            }
        }
        NodeKind::Project(project) => project_details(project, node, &mut details),
        NodeKind::Unnest(unnest) => {
            let lists: Vec<&str> = unnest.lists.iter().map(name).collect();
            details.push(("lists", lists.join(", ")));
            if unnest.keep_empty {
                details.push(("empty lists", "kept".to_owned()));
            }
        }
        NodeKind::Union => {}
        NodeKind::AssignWindows(assign) => {
            let text = format!("{} on {}", window_text(&assign.window), name(&assign.time));
            details.push(("window", text));
        }
        NodeKind::WindowAggregate(aggregate) => {
            details.push(("window", windows(&aggregate.windows, below(0))));
            details.push(("aggregates", list(&aggregate.aggregates)));
        }
        NodeKind::GroupAggregate(aggregate) => {
            details.push(("aggregates", list(&aggregate.aggregates)));
        }
        NodeKind::WindowJoin(join) => {
            window_join_details(join, [below(0), below(1)], &mut details);
        }
        NodeKind::IntervalJoin(join) => {
            interval_join_details(join, [below(0), below(1)], &mut details);
        }
        NodeKind::TopN(top) => top_details(top, below(0), &mut details),
        NodeKind::Deduplicate(deduplicate) => {
            let which = if deduplicate.keep_last { "last" } else { "first" };
            details.push(("keeps", format!("{which} by {}", name(&deduplicate.time))));
            details.extend(ranking_window(deduplicate.window, below(0)));
        }
        NodeKind::Sink(sink) => {
            details.push(("columns", names(&node.schema)));
            if let Some(key) = &sink.key {
                let key: Vec<&str> =
                    key.iter().map(|c| node.schema.field(*c).name().as_str()).collect();
                details.push(("key", key.join(", ")));
            }
        }
    }
    details
}

fn project_details(project: &ProjectNode, node: &Node, details: &mut Vec<(&'static str, String)>) {
    let columns = project.columns.iter().zip(node.schema.fields());
    let shown = columns.map(|(column, field)| match text(column) {
        text if text == *field.name() => text,
        text => format!("{text} AS {}", field.name()),
    });
    details.push(("columns", shown.collect::<Vec<_>>().join(", ")));
    details.extend(project.filter.iter().map(|filter| ("filter", text(filter))));
}

fn window_join_details(
    join: &WindowJoinNode,
    below: [&SchemaRef; 2],
    details: &mut Vec<(&'static str, String)>,
) {
    let of = |port: usize, (start, end): (usize, usize)| {
        format!("{}, {}", below[port].field(start).name(), below[port].field(end).name())
    };
    let (left, right) = (of(0, join.left_window), of(1, join.right_window));
    details.push(("rows", join_text(join.kind).to_owned()));
    details.push(("window", format!("({left}) = ({right})")));
    details.extend(join.filter.iter().map(|filter| ("filter", text(filter))));
}

fn interval_join_details(
    join: &IntervalJoinNode,
    below: [&SchemaRef; 2],
    details: &mut Vec<(&'static str, String)>,
) {
    let left = below[0].field(join.left_time).name();
    let right = below[1].field(join.right_time).name();
    let (from, to) = (length_text(join.lower_us), length_text(join.upper_us));
    details.push(("rows", join_text(join.kind).to_owned()));
    details.push(("bounds", format!("right {right} - left {left} from {from} to {to}")));
    details.extend(join.filter.iter().map(|filter| ("filter", text(filter))));
}

fn top_details(top: &TopNNode, below: &Schema, details: &mut Vec<(&'static str, String)>) {
    let rows = format!("{} to {} by {}", top.from, top.to, order_text(&top.order, below));
    details.push(("keeps", rows));
    details.extend(ranking_window(top.window, below));
}

fn ranking_window(
    window: Option<(usize, usize)>,
    below: &Schema,
) -> Option<(&'static str, String)> {
    let (start, end) = window?;
    Some(("window", format!("{}, {}", below.field(start).name(), below.field(end).name())))
}

fn windows(windows: &Windows, below: &Schema) -> String {
    match windows {
        Windows::Assigned { window, time } => {
            format!("{} on {}", window_text(window), below.field(*time).name())
        }
        Windows::Attached { start, end } => {
            format!("{}, {}", below.field(*start).name(), below.field(*end).name())
        }
    }
}

fn list(calls: &[AggregateCall]) -> String {
    if calls.is_empty() {
        return "none".to_owned();
    }
    calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn order_text(order: &[SortColumn], schema: &Schema) -> String {
    let column = |order: &SortColumn| {
        let direction = if order.descending { "desc" } else { "asc" };
        let nulls = if order.nulls_first { "first" } else { "last" };
        format!("{} {direction} nulls {nulls}", schema.field(order.column).name())
    };
    order.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn join_text(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "inner",
        JoinKind::Left => "left",
        JoinKind::Right => "right",
        JoinKind::Full => "full",
        JoinKind::Semi => "semi",
        JoinKind::Anti => "anti",
    }
}

/// What the rows of a node mean: `append`, `upsert by a, b`.
pub(crate) fn changes_text(node: &Node) -> String {
    let by = |key: &[usize]| {
        let names: Vec<&str> = key.iter().map(|c| node.schema.field(*c).name().as_str()).collect();
        if names.is_empty() { "of one row".to_owned() } else { format!("by {}", names.join(", ")) }
    };
    match &node.changes {
        Changes::Append => "append".to_owned(),
        Changes::Upsert(key) => format!("upsert {}", by(key)),
        Changes::Retract(key) => format!("upsert with replaced rows {}", by(key)),
    }
}

/// How rows come to their reader.
pub(crate) fn exchange_text(input: &Input, plan: &JobPlan) -> String {
    let schema = &plan.node(input.from).schema;
    match &input.exchange {
        Exchange::Forward => "forward".to_owned(),
        Exchange::Single => "single".to_owned(),
        Exchange::Hash(columns) => {
            let names: Vec<&str> =
                columns.iter().map(|c| schema.field(*c).name().as_str()).collect();
            format!("hash {}", names.join(", "))
        }
    }
}
