//! From a node of the plan to the operator that runs it.

use arrow::datatypes::SchemaRef;

use millrace_plan::{Changes, JobPlan, Node, NodeKind, WindowKind, Windows};

use super::assign_windows::AssignWindowsOperator;
use super::group_aggregate::GroupAggregateOperator;
use super::interval_join::IntervalJoinOperator;
use super::keep_first::KeepFirstOperator;
use super::keep_last::KeepLastOperator;
use super::project::ProjectOperator;
use super::top_n::TopNOperator;
use super::union::UnionOperator;
use super::unnest::UnnestOperator;
use super::window_aggregate::{SessionOperator, WindowAggregateOperator};
use super::window_deduplicate::WindowDeduplicateOperator;
use super::window_join::WindowJoinOperator;
use super::window_top_n::WindowTopNOperator;
use crate::{JobError, Operator, OperatorContext};

/// The operator of `node`, with the state that `ctx` holds for it.
pub fn build(
    node: &Node,
    plan: &JobPlan,
    ctx: &mut OperatorContext,
) -> Result<Box<dyn Operator>, JobError> {
    let inputs: Vec<SchemaRef> =
        node.inputs.iter().map(|input| plan.node(input.from).schema.clone()).collect();
    let changes: Vec<&Changes> =
        node.inputs.iter().map(|input| &plan.node(input.from).changes).collect();
    let output = &node.schema;
    Ok(match &node.kind {
        NodeKind::Project(project) => {
            Box::new(ProjectOperator::new(project, changes[0], &inputs, output, ctx)?)
        }
        NodeKind::Unnest(unnest) => Box::new(UnnestOperator::new(unnest, &inputs, output, ctx)?),
        NodeKind::Union => Box::new(UnionOperator::new(&inputs, output, ctx)?),
        NodeKind::AssignWindows(assign) => {
            Box::new(AssignWindowsOperator::new(assign, &inputs, output, ctx)?)
        }
        NodeKind::WindowAggregate(aggregate) => match aggregate.windows {
            Windows::Assigned { window: WindowKind::Session { .. }, .. } => {
                Box::new(SessionOperator::new(aggregate, &inputs, output, ctx)?)
            }
            _ => Box::new(WindowAggregateOperator::new(aggregate, &inputs, output, ctx)?),
        },
        NodeKind::GroupAggregate(aggregate) => {
            Box::new(GroupAggregateOperator::new(aggregate, &inputs, output, ctx)?)
        }
        NodeKind::WindowJoin(join) => {
            Box::new(WindowJoinOperator::new(join, &inputs, output, ctx)?)
        }
        NodeKind::IntervalJoin(join) => {
            Box::new(IntervalJoinOperator::new(join, &inputs, output, ctx)?)
        }
        NodeKind::TopN(top) => match top.window {
            Some(window) => {
                Box::new(WindowTopNOperator::new(top, window, changes[0], &inputs, output, ctx)?)
            }
            None => {
                Box::new(TopNOperator::new(top, changes[0], &node.changes, &inputs, output, ctx)?)
            }
        },
        NodeKind::Deduplicate(_) if !changes[0].is_append() => {
            let message = "de-duplication by event time of rows that change";
            return Err(JobError::Unsupported(message.to_owned()));
        }
        NodeKind::Deduplicate(rows) => match (rows.window, rows.keep_last) {
            (Some(window), _) => {
                Box::new(WindowDeduplicateOperator::new(rows, window, &inputs, output, ctx)?)
            }
            (None, true) => Box::new(KeepLastOperator::new(rows, &inputs, output, ctx)?),
            (None, false) => Box::new(KeepFirstOperator::new(rows, &inputs, output, ctx)?),
        },
        other => {
            let kind = format!("{other:?}");
            let name = kind.split('(').next().unwrap_or_default();
            return Err(JobError::Unsupported(format!("{name} is not run as an operator")));
        }
    })
}
