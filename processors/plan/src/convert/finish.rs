//! From the graph to the plan: unused columns go, nodes that do nothing go, ids come.

use std::collections::HashMap;

use super::check::check;
use super::converter::Converter;
use super::fuse::fuse;
use super::graph::Role;
use super::prune::wanted;
use super::remap::{Map, changes_nothing, remap};
use crate::{Changes, Exchange, Input, JobPlan, Node, NodeId, NodeKind, id};

impl Converter<'_> {
    /// The plan of everything converted.
    pub(crate) fn finish(self) -> JobPlan {
        let wanted = wanted(&self.graph);
        let read = self.read();
        let mut nodes: Vec<Node> = Vec::new();
        // For each old node: its new number, and where its columns are.
        let mut made: HashMap<NodeId, (NodeId, Map)> = HashMap::new();
        for draft in self.graph.drafts {
            let id = draft.node.id;
            if !read[id.0] {
                continue;
            }
            let inputs: Vec<_> = draft
                .node
                .inputs
                .iter()
                .map(|input| {
                    let (new, map) = &made[&input.from];
                    (map, &nodes[new.0].schema)
                })
                .collect();
            let (mut node, map) = remap(draft.node, &wanted[id.0], &inputs);
            for input in &mut node.inputs {
                input.from = made[&input.from].0;
            }
            if let [input] = node.inputs.as_slice()
                && input.exchange == Exchange::Forward
                && changes_nothing(&node, &nodes[input.from.0].schema)
            {
                made.insert(id, (input.from, map));
                continue;
            }
            node.changes = passed_on(&node, &nodes);
            node.id = NodeId(nodes.len());
            node.event_time = event_time(&draft.roles, &map);
            made.insert(id, (node.id, map));
            nodes.push(node);
        }
        let mut nodes = fuse(nodes);
        id::assign(&mut nodes);
        let plan = JobPlan { nodes, warnings: self.warnings };
        debug_assert_eq!(check(&plan), Ok(()), "a plan that comes out can run");
        plan
    }

    /// Which nodes lead to a sink.
    fn read(&self) -> Vec<bool> {
        let mut read = vec![false; self.graph.drafts.len()];
        for draft in self.graph.drafts.iter().rev() {
            let id = draft.node.id.0;
            read[id] |= matches!(draft.node.kind, NodeKind::Sink(_));
            if read[id] {
                draft.node.inputs.iter().for_each(|input| read[input.from.0] = true);
            }
        }
        read
    }
}

/// What the rows of a node mean: replaced rows that some other reader of its input asked for pass
/// through it too.
fn passed_on(node: &Node, nodes: &[Node]) -> Changes {
    let passes = matches!(node.kind, NodeKind::Project(_) | NodeKind::Sink(_));
    let before = |input: &Input| matches!(nodes[input.from.0].changes, Changes::Retract(_));
    match &node.changes {
        Changes::Upsert(key) if passes && node.inputs.iter().any(before) => {
            Changes::Retract(key.clone())
        }
        changes => changes.clone(),
    }
}

/// The first column that is an event time; that of a window if there is no other.
fn event_time(roles: &[Role], map: &Map) -> Option<usize> {
    let find = |test: fn(&Role) -> bool| {
        roles.iter().zip(map).find(|(role, place)| test(role) && place.is_some())
    };
    find(|role| *role == Role::Time).or_else(|| find(|role| role.is_time())).and_then(|(_, p)| *p)
}
