//! `EXPLAIN` as a graph for Graphviz; rows flow from top to bottom.

use std::fmt::Write;

use super::describe::{details, exchange_text, state_parts};
use crate::JobPlan;

pub(crate) fn dot(plan: &JobPlan) -> String {
    let mut out = "digraph job {\n  node [shape=box, fontname=monospace];\n".to_owned();
    for node in &plan.nodes {
        let mut label = vec![node.operator.to_string()];
        label.extend(
            details(node, plan).into_iter().map(|(name, value)| format!("{name}: {value}")),
        );
        let stateful = !state_parts(node, plan).is_empty();
        let style = if stateful { ", style=bold" } else { "" };
        let label: Vec<String> = label.iter().map(|line| escaped(line)).collect();
        writeln!(out, "  n{} [label=\"{}\\l\"{style}];", node.id.0, label.join("\\l"))
            .expect("a String takes everything");
    }
    for node in &plan.nodes {
        for input in &node.inputs {
            let exchange = escaped(&exchange_text(input, plan));
            writeln!(out, "  n{} -> n{} [label=\"{exchange}\"];", input.from.0, node.id.0)
                .expect("a String takes everything");
        }
    }
    out.push_str("}\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}
