//! Expressions over only the columns they read, so that a filter copies nothing else.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, LambdaVariable};

/// Expressions over a part of the columns.
pub(crate) struct Narrowed {
    /// The columns that are read, ascending.
    pub(crate) used: Vec<usize>,
    /// The expressions over just these columns.
    pub(crate) expressions: Vec<Arc<dyn PhysicalExpr>>,
}

/// Narrows expressions to the columns that they read.
/// `None` when they cannot be narrowed: the variables of a lambda count columns by themselves.
pub(crate) fn narrow(
    expressions: &[Arc<dyn PhysicalExpr>],
) -> Result<Option<Narrowed>, DataFusionError> {
    let mut used = Vec::new();
    let mut has_lambda = false;
    for expression in expressions {
        expression.apply(|part| {
            if let Some(column) = part.downcast_ref::<Column>() {
                used.push(column.index());
            }
            has_lambda |= part.downcast_ref::<LambdaVariable>().is_some();
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    if has_lambda {
        return Ok(None);
    }
    used.sort_unstable();
    used.dedup();
    let narrowed = expressions.iter().map(|expression| renumber(expression, &used));
    let expressions = narrowed.collect::<Result<_, _>>()?;
    Ok(Some(Narrowed { used, expressions }))
}

fn renumber(
    expression: &Arc<dyn PhysicalExpr>,
    used: &[usize],
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let renumbered = Arc::clone(expression).transform_down(|part| {
        let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
        let place = used.binary_search(&column.index()).expect("collected above");
        let column = Column::new(column.name(), place);
        Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>))
    })?;
    Ok(renumbered.data)
}
