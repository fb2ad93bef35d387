//! Every operator is made from its node, and what cannot be run is refused with a reason.

use arrow::datatypes::{DataType, SchemaRef};

use millrace_plan::{
    AssignWindowsNode, Changes, DeduplicateNode, Exchange, Input, IntervalJoinNode, JobPlan,
    JoinKind, Node, NodeId, NodeKind, OperatorId, ProjectNode, SourceNode, TopNNode, UnnestNode,
    WindowJoinNode, WindowKind,
};

use super::build;
use super::testing::{instant, schema};
use crate::{JobError, OperatorContext};

fn rows() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("t", instant()), ("s", instant()), ("e", instant())])
}

fn node(id: usize, kind: NodeKind, inputs: &[usize], changes: Changes, output: SchemaRef) -> Node {
    let input = |from: &usize| Input { from: NodeId(*from), exchange: Exchange::Forward };
    Node {
        id: NodeId(id),
        operator: OperatorId(format!("operator-{id}")),
        kind,
        inputs: inputs.iter().map(input).collect(),
        schema: output,
        changes,
        event_time: None,
    }
}

/// A source of rows that change so, and the operator over it (twice, if it has two inputs).
fn made(kind: NodeKind, input: Changes, width: usize) -> Result<(), JobError> {
    let source = SourceNode { name: "rows".into(), columns: vec![0, 1, 2, 3], watermark: None };
    let joined = [rows().fields().to_vec(), rows().fields().to_vec()].concat();
    let joined = arrow::datatypes::Schema::new(joined[..width].to_vec());
    let source = node(0, NodeKind::Source(source), &[], input, rows());
    let operator = node(1, kind, &[0, 0], Changes::Append, joined.into());
    let plan = JobPlan { nodes: vec![source, operator], ..JobPlan::default() };
    let mut ctx = OperatorContext::fresh("operator-1");
    build(plan.node(NodeId(1)), &plan, &mut ctx).map(|_| ())
}

fn top(window: Option<(usize, usize)>) -> NodeKind {
    NodeKind::TopN(TopNNode {
        partition: vec![0],
        order: Vec::new(),
        from: 1,
        to: 3,
        number: false,
        window,
        emit_before: false,
    })
}

fn deduplicate(window: Option<(usize, usize)>, keep_last: bool) -> NodeKind {
    NodeKind::Deduplicate(DeduplicateNode {
        keys: vec![0],
        time: 1,
        keep_last,
        window,
        emit_before: false,
    })
}

fn windows(window: WindowKind) -> NodeKind {
    NodeKind::AssignWindows(AssignWindowsNode { window, time: 1 })
}

fn window_join(on: (usize, usize)) -> NodeKind {
    NodeKind::WindowJoin(WindowJoinNode {
        kind: JoinKind::Inner,
        on: vec![on],
        left_window: (2, 3),
        right_window: (2, 3),
        filter: None,
    })
}

fn interval_join(kind: JoinKind) -> NodeKind {
    NodeKind::IntervalJoin(IntervalJoinNode {
        kind,
        on: vec![(0, 0)],
        left_time: 1,
        right_time: 1,
        lower_us: 0,
        upper_us: 1,
        filter: None,
    })
}

#[test]
fn operators_are_made_from_their_nodes() {
    let tumble = WindowKind::Tumble { size: 10, offset: 0 };
    let project = NodeKind::Project(ProjectNode { filter: None, columns: Vec::new() });
    let nodes = [
        (project, 0),
        (NodeKind::Union, 4),
        (windows(tumble), 7),
        (top(None), 4),
        (top(Some((2, 3))), 4),
        (deduplicate(None, false), 4),
        (deduplicate(None, true), 4),
        (deduplicate(Some((2, 3)), true), 4),
        (window_join((0, 0)), 8),
        (interval_join(JoinKind::Full), 8),
    ];
    for (kind, width) in nodes {
        let text = format!("{kind:?}");
        assert!(made(kind, Changes::Append, width).is_ok(), "{text}");
    }
}

#[test]
fn what_cannot_be_run_is_refused() {
    let session = WindowKind::Session { gap: 5 };
    let unnest = NodeKind::Unnest(UnnestNode { lists: vec![0], keep_empty: false });
    let upsert = Changes::Upsert(vec![0]);
    let source = SourceNode { name: "rows".into(), columns: Vec::new(), watermark: None };
    let nodes = [
        (windows(session), Changes::Append, "session windows"),
        (unnest, Changes::Append, "UNNEST needs a list: column `k` is Int64"),
        (NodeKind::Union, Changes::Append, "different numbers of columns"),
        (top(None), upsert.clone(), "needs the rows that were replaced"),
        (top(Some((2, 3))), upsert.clone(), "per window of rows that change"),
        (deduplicate(None, true), upsert.clone(), "rows that change"),
        (window_join((0, 1)), Changes::Append, "needs a cast"),
        (interval_join(JoinKind::Semi), Changes::Append, "only rows of the left"),
        (NodeKind::Source(source), Changes::Append, "Source is not run as an operator"),
    ];
    for (kind, input, why) in nodes {
        let error = made(kind, input, 7).unwrap_err();
        assert!(matches!(error, JobError::Unsupported(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}
