//! What of a plan its saved state depends on.

use serde::{Deserialize, Serialize};

use crate::convert::text;
use crate::explain::{key_names, key_types, kind_name, length_text, state_parts, window_text};
use crate::{JobPlan, Node, NodeId, NodeKind, OperatorId, Windows};

/// What of a plan its saved state depends on; kept beside the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFingerprint {
    /// Everything that keeps something: sources (positions), operators with state, sinks (what is
    /// prepared and not yet committed). In plan order.
    pub operators: Vec<OperatorFingerprint>,
}

/// What of an operator its saved state depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorFingerprint {
    /// The name of its state.
    pub id: OperatorId,
    /// What kind of operator it is, as in the id.
    pub kind: String,
    /// Its keys: name and type.
    pub keys: Vec<(String, String)>,
    /// Its windows or bounds, if it has some.
    pub windows: Option<String>,
    /// The parts of its state, with their types.
    pub state: Vec<String>,
    /// The filters and computations between it and the operators it reads. They may change, unless
    /// they are all that tells it from another operator with the same id but for `#2`.
    pub reads: Vec<String>,
}

impl OperatorFingerprint {
    /// The id without the number that tells it from others like it.
    pub(super) fn family(&self) -> &str {
        self.id.0.split('#').next().unwrap_or_default()
    }
}

impl PlanFingerprint {
    /// The fingerprint of `plan`.
    pub fn of(plan: &JobPlan) -> Self {
        let keeps = |node: &&Node| {
            !matches!(
                node.kind,
                NodeKind::Project(_)
                    | NodeKind::Unnest(_)
                    | NodeKind::Union
                    | NodeKind::AssignWindows(_)
            )
        };
        let of = |node: &Node| OperatorFingerprint {
            id: node.operator.clone(),
            kind: kind_name(&node.kind).to_owned(),
            keys: key_names(node, &plan.nodes).into_iter().zip(key_types(node, plan)).collect(),
            windows: windows(&node.kind),
            state: state_parts(node, plan),
            reads: node.inputs.iter().map(|input| read(plan, input.from)).collect(),
        };
        Self { operators: plan.nodes.iter().filter(keeps).map(of).collect() }
    }
}

/// The projections from `id` down, as text.
fn read(plan: &JobPlan, id: NodeId) -> String {
    let node = plan.node(id);
    let NodeKind::Project(project) = &node.kind else { return node.operator.to_string() };
    let filter = project.filter.iter().map(|filter| format!(" where {}", text(filter)));
    let columns: Vec<String> = project.columns.iter().map(text).collect();
    let below = read(plan, node.inputs[0].from);
    format!("{}{} of {below}", columns.join(", "), filter.collect::<String>())
}

fn windows(kind: &NodeKind) -> Option<String> {
    match kind {
        NodeKind::WindowAggregate(aggregate) => Some(match &aggregate.windows {
            Windows::Assigned { window, .. } => window_text(window),
            Windows::Attached { .. } => "attached".to_owned(),
        }),
        NodeKind::WindowJoin(_) => Some("attached".to_owned()),
        NodeKind::IntervalJoin(join) => {
            Some(format!("{} to {}", length_text(join.lower_us), length_text(join.upper_us)))
        }
        NodeKind::TopN(top) => top.window.map(|_| "attached".to_owned()),
        NodeKind::Deduplicate(deduplicate) => deduplicate.window.map(|_| "attached".to_owned()),
        _ => None,
    }
}
