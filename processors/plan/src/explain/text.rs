//! `EXPLAIN` as a tree from each sink down to its sources.

use std::collections::HashSet;
use std::fmt::Write;

use super::describe::{changes_text, details, exchange_text, state_parts};
use crate::{Exchange, Input, JobPlan, NodeId};

pub(crate) fn text(plan: &JobPlan) -> String {
    let mut tree = Tree { plan, shown: HashSet::new(), out: String::new() };
    let sinks: Vec<NodeId> = plan.sinks().map(|(node, _)| node.id).collect();
    for sink in sinks {
        tree.node(sink, None, "", "");
    }
    for warning in &plan.warnings {
        writeln!(tree.out, "warning: {warning}").expect("a String takes everything");
    }
    tree.out
}

struct Tree<'a> {
    plan: &'a JobPlan,
    shown: HashSet<NodeId>,
    out: String,
}

impl Tree<'_> {
    /// Writes a node read over `edge`: its first line after `first`, all others after `rest`.
    fn node(&mut self, id: NodeId, edge: Option<&Input>, first: &str, rest: &str) {
        let node = self.plan.node(id);
        let exchange = match edge {
            Some(edge) if edge.exchange != Exchange::Forward => {
                format!("({}) ", exchange_text(edge, self.plan))
            }
            _ => String::new(),
        };
        if !self.shown.insert(id) {
            self.line(first, &format!("{exchange}{} (shown above)", node.operator));
            return;
        }
        self.line(first, &format!("{exchange}{}", node.operator));
        let below = format!("{rest}{}", if node.inputs.is_empty() { "     " } else { "│    " });
        for (name, value) in details(node, self.plan) {
            self.line(&below, &format!("{name}: {value}"));
        }
        let state = state_parts(node, self.plan);
        if !state.is_empty() {
            self.line(&below, &format!("state: {}", state.join("; ")));
        }
        let time = node.event_time.map(|column| node.schema.field(column).name().as_str());
        let time = time.map_or(String::new(), |time| format!(", event time {time}"));
        self.line(&below, &format!("gives: {}{time}", changes_text(node)));
        let last = node.inputs.len().saturating_sub(1);
        for (port, input) in node.inputs.iter().enumerate() {
            let (branch, under) =
                if port == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.node(
                input.from,
                Some(input),
                &format!("{rest}{branch}"),
                &format!("{rest}{under}"),
            );
        }
    }

    fn line(&mut self, before: &str, text: &str) {
        writeln!(self.out, "{before}{text}").expect("a String takes everything");
    }
}
