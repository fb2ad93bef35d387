//! `EXPLAIN` for tools.

use serde_json::{Map, Value, json};

use super::describe::{changes_text, details, exchange_text, kind_name, state_parts};
use crate::{JobPlan, Node};

pub(crate) fn json(plan: &JobPlan) -> String {
    let nodes: Vec<Value> = plan.nodes.iter().map(|node| of(node, plan)).collect();
    let warnings: Vec<Value> = plan
        .warnings
        .iter()
        .map(|w| json!({"line": w.line, "column": w.column, "message": w.message, "hint": w.hint}))
        .collect();
    let whole = json!({"operators": nodes, "warnings": warnings});
    serde_json::to_string_pretty(&whole).expect("a JSON value can be written")
}

fn of(node: &Node, plan: &JobPlan) -> Value {
    let details: Map<String, Value> = details(node, plan)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let inputs: Vec<Value> = node
        .inputs
        .iter()
        .map(|input| {
            json!({"from": plan.node(input.from).operator, "exchange": exchange_text(input, plan)})
        })
        .collect();
    let fields = node.schema.fields().iter();
    let columns: Vec<Value> =
        fields.map(|f| json!({"name": f.name(), "type": f.data_type().to_string()})).collect();
    json!({
        "id": node.operator,
        "kind": kind_name(&node.kind),
        "inputs": inputs,
        "columns": columns,
        "details": details,
        "state": state_parts(node, plan),
        "changes": changes_text(node),
        "event_time": node.event_time.map(|column| node.schema.field(column).name()),
    })
}
