//! The plan of a job: a graph of streaming operators in which every row expression is compiled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use crate::{AggregateCall, SqlError, WindowKind};

/// Position of a node in [`JobPlan::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// Name of an operator's state, the same for the same part of the query in every version of a job.
///
/// Derived from the plan: the kind of the operator, its keys and windows, and the ids of its
/// inputs; never from its position, so that adding an operator elsewhere renames nothing.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct OperatorId(pub String);

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All operators of a job, inputs before those that read them.
#[derive(Debug, Clone, Default)]
pub struct JobPlan {
    /// The operators in topological order; `nodes[i].id == NodeId(i)`.
    pub nodes: Vec<Node>,
    /// What is not wrong but should be known: state that grows with the keys of an endless input.
    pub warnings: Vec<SqlError>,
}

impl JobPlan {
    /// The node called `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The sources, in plan order.
    pub fn sources(&self) -> impl Iterator<Item = (&Node, &SourceNode)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Source(source) => Some((node, source)),
            _ => None,
        })
    }

    /// The sinks, in plan order.
    pub fn sinks(&self) -> impl Iterator<Item = (&Node, &SinkNode)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(sink) => Some((node, sink)),
            _ => None,
        })
    }
}

/// One operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is in the plan.
    pub id: NodeId,
    /// What its state is called.
    pub operator: OperatorId,
    /// What it does.
    pub kind: NodeKind,
    /// What it reads; the index is the port.
    pub inputs: Vec<Input>,
    /// The rows it makes.
    pub schema: SchemaRef,
    /// What its rows mean.
    pub changes: Changes,
    /// Column of `schema` that carries event time, if one does.
    pub event_time: Option<usize>,
}

/// An edge of the graph, seen from its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The operator read.
    pub from: NodeId,
    /// How its rows are dealt to the instances of the reader.
    pub exchange: Exchange,
}

/// How rows are dealt to the instances of the operator that reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// Instance i to instance i; no row changes its place.
    Forward,
    /// By key group of these columns of the input.
    Hash(Vec<usize>),
    /// All to instance 0.
    Single,
}

/// What the rows of a stream mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Every row is a new fact.
    Append,
    /// Rows insert, replace (without saying what) or delete the row with the same values in these
    /// columns. Kinds in use: insert, update-after, delete.
    Upsert(Vec<usize>),
    /// As `Upsert`, and a replaced row comes first, as update-before.
    Retract(Vec<usize>),
}

impl Changes {
    /// Whether rows are only ever added.
    pub fn is_append(&self) -> bool {
        matches!(self, Self::Append)
    }

    /// The columns that identify a row, if rows can change.
    pub fn key(&self) -> Option<&[usize]> {
        match self {
            Self::Append => None,
            Self::Upsert(key) | Self::Retract(key) => Some(key),
        }
    }
}

/// What an operator does. Column numbers are those of its input (port 0 unless said otherwise).
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Reads a stream or a table.
    Source(SourceNode),
    /// Keeps and computes rows. Keeps no state; passes change kinds through.
    Project(ProjectNode),
    /// Repeats each row for each element of a list column.
    Unnest(UnnestNode),
    /// All rows of all inputs, which have one schema.
    Union,
    /// Appends `window_start`, `window_end` and `window_time`; a row is repeated for each window.
    AssignWindows(AssignWindowsNode),
    /// Aggregates per key and window; emits when the watermark passes the window's end.
    /// Output: keys, `window_start`, `window_end`, `window_time`, aggregates.
    WindowAggregate(WindowAggregateNode),
    /// Aggregates per key without end. Output: keys, aggregates; a changelog by key.
    GroupAggregate(GroupAggregateNode),
    /// Joins rows of the same key and the same window; port 0 is left. Output: left, right.
    WindowJoin(WindowJoinNode),
    /// Joins rows of the same key near to each other in event time. Output: left, right.
    IntervalJoin(IntervalJoinNode),
    /// The first n rows of each partition by an order, per window or without end.
    /// Output: input columns, then the row number if asked for. A changelog unless per window: by
    /// partition when n is 1, by partition and number when that is a column of the output, else by
    /// the key of the input, or by all columns when the input is append-only. An input that is a
    /// changelog comes with the replaced rows.
    TopN(TopNNode),
    /// The first or last row of each key by event time, per window or without end. Output: input
    /// columns; the last row is a changelog by key unless per window, the first is sent when no
    /// earlier one can come.
    Deduplicate(DeduplicateNode),
    /// Writes rows.
    Sink(SinkNode),
}

impl NodeKind {
    /// Whether instances of the operator remember anything between rows.
    pub fn keeps_state(&self) -> bool {
        match self {
            Self::Source(_)
            | Self::Project(_)
            | Self::Unnest(_)
            | Self::Union
            | Self::AssignWindows(_)
            | Self::Sink(_) => false,
            Self::WindowAggregate(_)
            | Self::GroupAggregate(_)
            | Self::WindowJoin(_)
            | Self::IntervalJoin(_)
            | Self::TopN(_)
            | Self::Deduplicate(_) => true,
        }
    }
}

/// See [`NodeKind::Source`].
#[derive(Debug, Clone)]
pub struct SourceNode {
    /// Name in the catalog.
    pub name: String,
    /// Columns of the stream's schema that are read, ascending; the node's schema is these.
    pub columns: Vec<usize>,
    /// Watermark, if the stream has event time: its column *in the stream's schema*, delay,
    /// idleness.
    pub watermark: Option<Watermark>,
}

/// How a watermark is made from rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The event-time column, in the stream's schema.
    pub column: usize,
    /// Watermark = maximum seen − delay.
    pub delay: Duration,
    /// A partition without rows for this long is left out of the minimum.
    pub idle: Duration,
}

/// See [`NodeKind::Project`].
#[derive(Debug, Clone)]
pub struct ProjectNode {
    /// Rows for which this is not true are left out.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// The output columns, over the input.
    pub columns: Vec<Arc<dyn PhysicalExpr>>,
}

/// See [`NodeKind::Unnest`].
#[derive(Debug, Clone)]
pub struct UnnestNode {
    /// The list columns, replaced in place by their elements (side by side; shorter ones give
    /// NULL).
    pub lists: Vec<usize>,
    /// Whether a row with an empty or NULL list is kept, with NULL.
    pub keep_empty: bool,
}

/// See [`NodeKind::AssignWindows`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignWindowsNode {
    /// Tumbling, hopping or cumulating (sessions need state: they are aggregates).
    pub window: WindowKind,
    /// The event-time column.
    pub time: usize,
}

/// Which windows an aggregate has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Windows {
    /// Rows are put into windows by their event time (column `time`).
    Assigned {
        /// The windows.
        window: WindowKind,
        /// The event-time column.
        time: usize,
    },
    /// Rows carry their window, made by an operator below.
    Attached {
        /// Column `window_start`.
        start: usize,
        /// Column `window_end`.
        end: usize,
    },
}

/// See [`NodeKind::WindowAggregate`].
#[derive(Debug, Clone)]
pub struct WindowAggregateNode {
    /// Key columns; for session windows the sessions are per key.
    pub keys: Vec<usize>,
    /// The windows.
    pub windows: Windows,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
}

/// See [`NodeKind::GroupAggregate`].
#[derive(Debug, Clone)]
pub struct GroupAggregateNode {
    /// Key columns; none means one group, which exists from its first row.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// Whether the input can take rows back, so that groups count rows and may vanish.
    pub input_changes: bool,
    /// Whether readers need the replaced row too (update-before).
    pub emit_before: bool,
}

/// Which unmatched rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// None.
    Inner,
    /// Those of the left.
    Left,
    /// Those of the right.
    Right,
    /// Both.
    Full,
    /// Left rows with a match, once; output: left.
    Semi,
    /// Left rows without a match; output: left.
    Anti,
}

/// See [`NodeKind::WindowJoin`].
#[derive(Debug, Clone)]
pub struct WindowJoinNode {
    /// Which rows are kept.
    pub kind: JoinKind,
    /// Equal columns: (of the left, of the right). NULL equals nothing.
    pub on: Vec<(usize, usize)>,
    /// `window_start` and `window_end` of the left.
    pub left_window: (usize, usize),
    /// `window_start` and `window_end` of the right.
    pub right_window: (usize, usize),
    /// What else must be true, over left columns then right columns.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// See [`NodeKind::IntervalJoin`].
#[derive(Debug, Clone)]
pub struct IntervalJoinNode {
    /// Which rows are kept (not `Semi` or `Anti`).
    pub kind: JoinKind,
    /// Equal columns: (of the left, of the right). NULL equals nothing.
    pub on: Vec<(usize, usize)>,
    /// Event-time column of the left.
    pub left_time: usize,
    /// Event-time column of the right.
    pub right_time: usize,
    /// A pair matches when `left + lower_us <= right <= left + upper_us` (microseconds).
    pub lower_us: i64,
    /// See `lower_us`.
    pub upper_us: i64,
    /// What else must be true, over left columns then right columns.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// One column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortColumn {
    /// The column.
    pub column: usize,
    /// Greatest first.
    pub descending: bool,
    /// Whether NULL comes before all else.
    pub nulls_first: bool,
}

/// See [`NodeKind::TopN`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopNNode {
    /// The partition, without the columns of the window.
    pub partition: Vec<usize>,
    /// The order; rows equal in it are ranked in order of arrival.
    pub order: Vec<SortColumn>,
    /// First row number kept, from 1.
    pub from: u64,
    /// Last row number kept.
    pub to: u64,
    /// Whether the row number is a column of the output (`Int64` or `UInt64`, as its schema says).
    pub number: bool,
    /// `window_start` and `window_end`, when the partition is per window: rows come when it closes.
    pub window: Option<(usize, usize)>,
    /// Whether readers need replaced rows too (update-before).
    pub emit_before: bool,
}

/// See [`NodeKind::Deduplicate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeduplicateNode {
    /// The key, without the columns of the window.
    pub keys: Vec<usize>,
    /// The event-time column that orders the rows of a key; equal times in order of arrival.
    pub time: usize,
    /// Keep the last row instead of the first.
    pub keep_last: bool,
    /// `window_start` and `window_end`, when it is per window: rows come when it closes.
    pub window: Option<(usize, usize)>,
    /// Whether readers need replaced rows too (update-before).
    pub emit_before: bool,
}

/// See [`NodeKind::Sink`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkNode {
    /// Name in the catalog.
    pub name: String,
    /// Columns that identify a row of the destination, when it takes a changelog.
    pub key: Option<Vec<usize>>,
    /// Whether this sink takes the late rows of operators instead of a query's result.
    pub late_rows_of: Vec<NodeId>,
}
