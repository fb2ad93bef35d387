//! Which columns of a plan carry event time, so that windows can be put over them.

use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::EventTimeDef;

use super::context::StreamTable;
use super::window_tvf::WindowTvf;

/// Whether column `index` of `plan` is an event-time attribute: the event time of a stream, or
/// `window_time` of a window, passed on unchanged.
pub(crate) fn is_event_time(plan: &LogicalPlan, index: usize) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Some(table) = scan.source.downcast_ref::<StreamTable>() else { return false };
            let time: Option<&EventTimeDef> = table.def.event_time.as_ref();
            time.is_some_and(|time| &time.column == plan.schema().field(index).name())
        }
        LogicalPlan::Projection(projection) => {
            passes_on(&projection.expr[index], &projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.get(index).is_some_and(|expr| passes_on(expr, &aggregate.input))
        }
        LogicalPlan::Filter(filter) => is_event_time(&filter.input, index),
        LogicalPlan::SubqueryAlias(alias) => is_event_time(&alias.input, index),
        LogicalPlan::Subquery(subquery) => is_event_time(&subquery.subquery, index),
        LogicalPlan::Window(window) => {
            index < window.input.schema().fields().len() && is_event_time(&window.input, index)
        }
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| is_event_time(input, index)),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match index.checked_sub(left) {
                None => is_event_time(&join.left, index),
                Some(right) => is_event_time(&join.right, right),
            }
        }
        LogicalPlan::Unnest(unnest) => unnest.dependency_indices.get(index).is_some_and(|from| {
            !unnest.list_type_columns.iter().any(|(column, _)| column == from)
                && is_event_time(&unnest.input, *from)
        }),
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref() {
            Some(WindowTvf { .. }) => plan.schema().field(index).name() == "window_time",
            None => false,
        },
        _ => false,
    }
}

fn passes_on(expr: &Expr, input: &LogicalPlan) -> bool {
    match expr {
        Expr::Alias(alias) => passes_on(&alias.expr, input),
        Expr::Column(column) => {
            input.schema().index_of_column(column).is_ok_and(|index| is_event_time(input, index))
        }
        _ => false,
    }
}
