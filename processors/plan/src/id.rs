//! Names of operators' state that stay the same while their part of the query does.

use std::collections::HashMap;

use twox_hash::XxHash3_64;

use crate::explain::{key_names, kind_name, window_text};
use crate::{Node, NodeKind, OperatorId, Windows};

/// Longest text of keys in an id; the hash tells longer ones apart.
const LONGEST_KEYS: usize = 32;

/// Gives every node its id, from its kind, keys, windows and the ids of its inputs. Filters and
/// projections below do not count, nor does what is computed from a group: whether that changed is
/// for the verdict to say. Of nodes with the same id the second becomes `…#2`.
pub(crate) fn assign(nodes: &mut [Node]) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    // What the readers of each node take for the id of their input.
    let mut seen_as: Vec<String> = Vec::with_capacity(nodes.len());
    for at in 0..nodes.len() {
        let inputs: Vec<&str> =
            nodes[at].inputs.iter().map(|input| seen_as[input.from.0].as_str()).collect();
        let base = match &nodes[at].kind {
            NodeKind::Source(source) => format!("source.{}", source.name),
            NodeKind::Sink(sink) => format!("sink.{}", sink.name),
            _ => described(&nodes[at], nodes, &inputs),
        };
        let count = taken.entry(base.clone()).or_default();
        *count += 1;
        let id = if *count == 1 { base } else { format!("{base}#{count}") };
        seen_as.push(match &nodes[at].kind {
            NodeKind::Project(_) => inputs[0].to_owned(),
            _ => id.clone(),
        });
        nodes[at].operator = OperatorId(id);
    }
}

fn described(node: &Node, nodes: &[Node], inputs: &[&str]) -> String {
    let keys = key_names(node, nodes);
    let window = window(&node.kind);
    let kind = kind_name(&node.kind);
    let whole = format!("{kind}|{}|{window}|{}", keys.join("\u{1f}"), inputs.join("|"));
    let hash = XxHash3_64::oneshot(whole.as_bytes());
    let mut parts = vec![kind.to_owned()];
    parts.extend(Some(readable(&keys.join("-"))).filter(|keys| !keys.is_empty()));
    parts.extend(Some(window).filter(|window| !window.is_empty()));
    parts.push(format!("{:04x}", hash & 0xffff));
    parts.join(".")
}

/// The part of an id that tells of windows and bounds.
fn window(kind: &NodeKind) -> String {
    match kind {
        NodeKind::AssignWindows(assign) => window_text(&assign.window),
        NodeKind::WindowAggregate(aggregate) => match &aggregate.windows {
            Windows::Assigned { window, .. } => window_text(window),
            Windows::Attached { .. } => "attached".to_owned(),
        },
        NodeKind::IntervalJoin(join) => {
            use crate::explain::length_text;
            format!("{}-{}", length_text(join.lower_us), length_text(join.upper_us))
        }
        NodeKind::TopN(top) if top.window.is_some() => "attached".to_owned(),
        NodeKind::Deduplicate(deduplicate) if deduplicate.window.is_some() => "attached".to_owned(),
        _ => String::new(),
    }
}

fn readable(keys: &str) -> String {
    let mut text = String::new();
    for c in keys.chars() {
        match c {
            c if c.is_alphanumeric() || c == '_' => text.push(c),
            _ if text.ends_with('-') => {}
            _ => text.push('-'),
        }
    }
    let text: String = text.trim_matches('-').chars().take(LONGEST_KEYS).collect();
    text.trim_end_matches('-').to_owned()
}
