//! Projections next to each other that are better one.

use datafusion::physical_expr::conjunction_opt;

use super::expression::{count_uses, is_free, replace};
use crate::{Exchange, Node, NodeId, NodeKind, ProjectNode};

/// Makes one of two projections where the upper is all that reads the lower, and computes nothing
/// twice by reading it.
pub(crate) fn fuse(mut nodes: Vec<Node>) -> Vec<Node> {
    while let Some((lower, upper)) = pair(&nodes) {
        let (Some(below), Some(above)) = (projection(&nodes[lower]), projection(&nodes[upper]))
        else {
            break;
        };
        let over = |e: &_| replace(e, &below.columns);
        let fused = ProjectNode {
            filter: conjunction_opt(
                below.filter.iter().cloned().chain(above.filter.as_ref().map(over)),
            ),
            columns: above.columns.iter().map(over).collect(),
        };
        let inputs = nodes[lower].inputs.clone();
        nodes[upper].inputs = inputs;
        nodes[upper].kind = NodeKind::Project(fused);
        nodes.remove(lower);
        for (at, node) in nodes.iter_mut().enumerate() {
            node.id = NodeId(at);
            for input in node.inputs.iter_mut().filter(|input| input.from.0 > lower) {
                input.from.0 -= 1;
            }
        }
    }
    nodes
}

/// Two projections that are better one: the lower, the upper.
fn pair(nodes: &[Node]) -> Option<(usize, usize)> {
    nodes.iter().enumerate().find_map(|(upper, node)| {
        let above = projection(node)?;
        let input = node.inputs.first().filter(|input| input.exchange == Exchange::Forward)?;
        let lower = input.from.0;
        let below = projection(&nodes[lower])?;
        let readers = nodes.iter().flat_map(|node| &node.inputs).filter(|i| i.from.0 == lower);
        let mut uses = vec![0; below.columns.len()];
        for reader in above.columns.iter().chain(&above.filter) {
            count_uses(reader, &mut uses);
        }
        let twice = below.columns.iter().zip(&uses).any(|(e, uses)| *uses > 1 && !is_free(e));
        (readers.count() == 1 && !twice).then_some((lower, upper))
    })
}

fn projection(node: &Node) -> Option<&ProjectNode> {
    match &node.kind {
        NodeKind::Project(project) => Some(project),
        _ => None,
    }
}
