//! A table for the rows that came after their windows had closed.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::sql::event_time_type;
use crate::{
    Changes, DeduplicateNode, Exchange, Input, JobPlan, Node, NodeId, NodeKind, OperatorId,
    SinkNode,
};

/// Columns of a table of late rows: which operator was too far ahead, its watermark, and the row as
/// JSON.
pub fn late_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("operator", DataType::Utf8, false),
        Field::new("watermark", event_time_type(), false),
        Field::new("row", DataType::Utf8, false),
    ]))
}

impl JobPlan {
    /// Has the rows that operators find too late written to the sink `name`, which no query writes,
    /// in [`late_schema`]. Without this they are counted only. Changes nothing when no operator can
    /// find a row late.
    pub fn keep_late_rows(&mut self, name: impl Into<String>) {
        let name = name.into();
        let late: Vec<NodeId> =
            self.nodes.iter().filter(|node| finds_late(&node.kind)).map(|node| node.id).collect();
        if late.is_empty() {
            return;
        }
        let input = |from: &NodeId| Input { from: *from, exchange: Exchange::Forward };
        self.nodes.push(Node {
            id: NodeId(self.nodes.len()),
            operator: OperatorId(format!("sink.{name}")),
            inputs: late.iter().map(input).collect(),
            kind: NodeKind::Sink(SinkNode { name, key: None, late_rows_of: late }),
            schema: late_schema(),
            changes: Changes::Append,
            event_time: None,
        });
    }
}

/// Whether an operator leaves out rows that come too late.
fn finds_late(kind: &NodeKind) -> bool {
    match kind {
        NodeKind::WindowAggregate(_) | NodeKind::WindowJoin(_) | NodeKind::IntervalJoin(_) => true,
        NodeKind::TopN(top) => top.window.is_some(),
        NodeKind::Deduplicate(DeduplicateNode { window, keep_last, .. }) => {
            window.is_some() || !keep_last
        }
        _ => false,
    }
}
