//! Finds the smallest expression whose types do not fit, so that the error points at it.

use std::ops::Range;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Span as PlanSpan};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan};

use crate::SqlError;

use super::text::SourceText;
use super::types::flink_name;

/// Checks every expression of a plan, from the bottom; `fallback` is the place of an expression
/// that names no column.
pub(crate) fn check(
    plan: &LogicalPlan,
    text: &SourceText<'_>,
    fallback: &Range<usize>,
) -> Result<(), SqlError> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        let schema = node.inputs().iter().fold(DFSchema::empty(), |mut all, input| {
            all.merge(input.schema());
            all
        });
        let _ = node.apply_expressions(|expr| {
            if found.is_none() {
                found = smallest(expr, &schema);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        Ok(TreeNodeRecursion::Continue)
    });
    let Some((expr, message)) = found else { return Ok(()) };
    let at = span_of(&expr).map_or_else(|| fallback.clone(), |span| text.plan_range(&span));
    Err(text.error(at, message).hint("CAST an argument to the type that is meant"))
}

/// The innermost part of `expr` that has no type, and why.
fn smallest(expr: &Expr, schema: &DFSchema) -> Option<(Expr, String)> {
    if contains_outer(expr) {
        return None;
    }
    let mut inner = None;
    let _ = expr.apply_children(|child| {
        if inner.is_none() {
            inner = smallest(child, schema);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if inner.is_some() {
        return inner;
    }
    if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr {
        let (left, right) = (left.get_type(schema).ok()?, right.get_type(schema).ok()?);
        let message =
            format!("`{op}` cannot take {} and {}", flink_name(&left), flink_name(&right));
        let fits = BinaryTypeCoercer::new(&left, op, &right).get_input_types();
        return fits.is_err().then(|| (expr.clone(), message));
    }
    match expr {
        Expr::ScalarFunction(_) | Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
            let error = expr.get_type(schema).err()?;
            Some((expr.clone(), call_message(expr, &error, schema)))
        }
        _ => None,
    }
}

fn contains_outer(expr: &Expr) -> bool {
    expr.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..)))).unwrap_or(true)
}

fn call_message(expr: &Expr, error: &DataFusionError, schema: &DFSchema) -> String {
    let (name, args) = match expr {
        Expr::ScalarFunction(call) => (call.name(), &call.args),
        Expr::AggregateFunction(call) => (call.func.name(), &call.params.args),
        _ => return error.strip_backtrace(),
    };
    let types: Vec<String> = args
        .iter()
        .map(|arg| arg.get_type(schema).map_or_else(|_| "?".to_owned(), |t| flink_name(&t)))
        .collect();
    let why = match error.find_root() {
        DataFusionError::Plan(message) | DataFusionError::Execution(message)
            if !message.contains('\n') && !message.contains("coerce") && message.len() < 120 =>
        {
            format!(": {message}")
        }
        _ => String::new(),
    };
    format!("{} cannot take ({}){why}", name.to_uppercase(), types.join(", "))
}

/// The text from the first to the last column in an expression.
fn span_of(expr: &Expr) -> Option<PlanSpan> {
    let mut spans = Vec::new();
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part {
            spans.extend(column.spans.first());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    PlanSpan::union_iter(spans)
}
