//! Which operators run together in one task, and where rows change tasks. Pure.

use millrace_plan::{Exchange, JobPlan, NodeId, NodeKind};

/// Operators that run in one task for each instance. Rows enter at the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// In topological order; the first is the head.
    pub(crate) nodes: Vec<NodeId>,
    /// What the task does beside running operators.
    pub(crate) role: Role,
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads the source that is its head.
    Source,
    /// Reads channels.
    Chain,
    /// Reads channels and writes the sink that is its head.
    Sink,
}

/// An edge between two fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The operator read.
    pub(crate) from: NodeId,
    /// The head that reads it.
    pub(crate) to: NodeId,
    /// The port of `to`.
    pub(crate) port: usize,
    /// How rows are dealt.
    pub(crate) exchange: Exchange,
}

/// All fragments of a job, and the edges between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) fragments: Vec<Fragment>,
    /// Fragment of each node.
    pub(crate) fragment_of: Vec<usize>,
    pub(crate) edges: Vec<Edge>,
}

impl Layout {
    /// Operators are chained as long as rows stay with their instance; sources and sinks have tasks
    /// of their own because they wait for others.
    pub(crate) fn of(plan: &JobPlan, parallelism: usize) -> Self {
        let mut layout = Self { fragments: Vec::new(), fragment_of: Vec::new(), edges: Vec::new() };
        for node in &plan.nodes {
            let joins = layout.joins(node, parallelism);
            let fragment = joins.unwrap_or_else(|| {
                let role = match node.kind {
                    NodeKind::Source(_) => Role::Source,
                    NodeKind::Sink(_) => Role::Sink,
                    _ => Role::Chain,
                };
                layout.fragments.push(Fragment { nodes: Vec::new(), role });
                layout.fragments.len() - 1
            });
            layout.fragments[fragment].nodes.push(node.id);
            layout.fragment_of.push(fragment);
            if joins.is_none() {
                for (port, input) in node.inputs.iter().enumerate() {
                    let exchange = effective(&input.exchange, parallelism);
                    layout.edges.push(Edge { from: input.from, to: node.id, port, exchange });
                }
            }
        }
        layout
    }

    /// The fragment that `node` can be chained to.
    fn joins(&self, node: &millrace_plan::Node, parallelism: usize) -> Option<usize> {
        if matches!(node.kind, NodeKind::Source(_) | NodeKind::Sink(_)) {
            return None;
        }
        let first = self.fragment_of[node.inputs.first()?.from.0];
        let stays = node.inputs.iter().all(|input| {
            effective(&input.exchange, parallelism) == Exchange::Forward
                && self.fragment_of[input.from.0] == first
        });
        stays.then_some(first)
    }

    /// Whether the edge from `from` to `to` leaves the fragment.
    pub(crate) fn is_local(&self, from: NodeId, to: NodeId) -> bool {
        let head = self.fragments[self.fragment_of[to.0]].nodes[0];
        self.fragment_of[from.0] == self.fragment_of[to.0] && head != to
    }
}

/// With one instance there is nowhere else to go.
fn effective(exchange: &Exchange, parallelism: usize) -> Exchange {
    if parallelism == 1 { Exchange::Forward } else { exchange.clone() }
}
