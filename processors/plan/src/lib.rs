//! SQL to a checked plan of streaming operators, and the verdict on a changed one.
//!
//! ```text
//!  text ─ dialect ─► statements ─ bind (DataFusion) ─► logical plan ─ convert ─► JobPlan
//!                                                                                  │
//!                              EXPLAIN (text, JSON, DOT) ◄─ verdict (old, new) ◄───┘
//! ```
//!
//! Duty: the dialect (a subset of Flink SQL), names, types, time semantics, stable operator ids.
//! Invariants: a plan that comes out can run: every column number and type in it was checked; an
//! error names line, column and cure.
//!
//! Must not know: how operators run, where state is kept, HTTP, launchers.

mod aggregate;
mod catalog;
mod convert;
mod error;
mod explain;
mod functions;
mod id;
mod job;
mod late;
mod planner;
mod sql;
mod verdict;
mod window;

pub use aggregate::{AggregateCall, AggregateFn, AggregateFunction};
pub use catalog::{Catalog, EventTimeDef, SinkDef, SourceDef};
pub use error::SqlError;
pub use explain::{ExplainForm, explain};
pub use job::{
    AssignWindowsNode, Changes, DeduplicateNode, Exchange, GroupAggregateNode, Input,
    IntervalJoinNode, JobPlan, JoinKind, Node, NodeId, NodeKind, OperatorId, ProjectNode, SinkNode,
    SortColumn, SourceNode, TopNNode, UnnestNode, Watermark, WindowAggregateNode, WindowJoinNode,
    Windows,
};
pub use late::late_schema;
pub use planner::plan;
pub use sql::strip_explain;
pub use verdict::{OperatorFingerprint, PlanFingerprint, Verdict, verdict};
pub use window::WindowKind;
