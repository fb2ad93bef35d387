//! Expressions over only what they read of the columns, so that a filter copies nothing else.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::expressions::{Column, LambdaVariable, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

/// Expressions over a part of the input.
pub(crate) struct Narrowed {
    /// What is read: columns, and fields of columns. Cheap to compute: they are there.
    pub(crate) parts: Vec<Arc<dyn PhysicalExpr>>,
    /// The parts as columns.
    pub(crate) schema: SchemaRef,
    /// The expressions over just these columns.
    pub(crate) expressions: Vec<Arc<dyn PhysicalExpr>>,
}

/// Narrows expressions over `input` to what they read of it. `None` when that cannot be done: the
/// variables of a lambda count columns by themselves.
pub(crate) fn narrow(
    expressions: &[Arc<dyn PhysicalExpr>],
    input: &SchemaRef,
) -> Result<Option<Narrowed>, DataFusionError> {
    let mut parts: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    let mut has_lambda = false;
    for expression in expressions {
        expression.apply(|part| {
            has_lambda |= part.downcast_ref::<LambdaVariable>().is_some();
            if !is_part(part, input) {
                return Ok(TreeNodeRecursion::Continue);
            }
            if !parts.contains(part) {
                parts.push(Arc::clone(part));
            }
            Ok(TreeNodeRecursion::Jump)
        })?;
    }
    if has_lambda {
        return Ok(None);
    }
    let mut fields: Vec<Field> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let field = part.return_field(input)?;
        let nullable = field.is_nullable() || part.downcast_ref::<Column>().is_none();
        let field = field.as_ref().clone().with_name(format!("{place}"));
        fields.push(field.with_nullable(nullable));
    }
    let expressions =
        expressions.iter().map(|e| renumber(e, &parts)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Narrowed { parts, schema: Arc::new(Schema::new(fields)), expressions }))
}

/// Whether this is a column, or a field of a column that is a struct.
fn is_part(expression: &Arc<dyn PhysicalExpr>, input: &SchemaRef) -> bool {
    if expression.downcast_ref::<Column>().is_some() {
        return true;
    }
    let Some(call) = expression.downcast_ref::<ScalarFunctionExpr>() else { return false };
    let [of, names @ ..] = call.args() else { return false };
    let of_struct = matches!(of.data_type(input), Ok(DataType::Struct(_)));
    let by_name = names.len() == 1 && names[0].downcast_ref::<Literal>().is_some();
    call.fun().name() == "get_field" && of_struct && by_name && is_part(of, input)
}

fn renumber(
    expression: &Arc<dyn PhysicalExpr>,
    parts: &[Arc<dyn PhysicalExpr>],
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let renumbered = Arc::clone(expression).transform_down(|part| {
        let Some(place) = parts.iter().position(|known| known.as_ref() == part.as_ref()) else {
            return Ok(Transformed::no(part));
        };
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&format!("{place}"), place));
        Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
    })?;
    Ok(renumbered.data)
}
