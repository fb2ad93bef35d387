//! Calls that a filter and the columns behind it have in common, computed once below.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;

use super::expression::Expression;

/// The calls that `filter` makes for every row and that are also made in `columns`. Only calls: to
/// carry a column past a filter costs more than to add two numbers again.
pub(crate) fn common_calls(filter: &Expression, columns: &[Expression]) -> Vec<Expression> {
    let mut calls = Vec::new();
    certain_calls(filter, &mut calls);
    calls.retain(|call| columns.iter().any(|column| contains(column, call)));
    calls
}

/// `expression` with each of `calls` replaced by what `column` gives for its place.
pub(crate) fn with_columns(
    expression: &Expression,
    calls: &[Expression],
    column: impl Fn(usize) -> Expression,
) -> Expression {
    expression
        .clone()
        .transform_down(|node| {
            Ok(match calls.iter().position(|call| call.eq(&node)) {
                Some(place) => Transformed::yes(column(place)),
                None => Transformed::no(node),
            })
        })
        .data()
        .expect("a column of the same type keeps every expression well formed")
}

/// Calls made whatever the values of a row are: not those behind AND, nor in later arms of CASE,
/// which may be guarded against values on which they fail.
fn certain_calls(expression: &Expression, calls: &mut Vec<Expression>) {
    if expression.is::<ScalarFunctionExpr>() && !is_volatile(expression) {
        if !calls.iter().any(|known| known.eq(expression)) {
            calls.push(expression.clone());
        }
        return;
    }
    let and = expression.downcast_ref::<BinaryExpr>().is_some_and(|b| *b.op() == Operator::And);
    let certain = match expression.downcast_ref::<CaseExpr>() {
        // The operand, if there is one, or the first condition.
        Some(_) => 1,
        None if and => 1,
        None => usize::MAX,
    };
    for child in expression.children().into_iter().take(certain) {
        certain_calls(child, calls);
    }
}

fn contains(expression: &Expression, call: &Expression) -> bool {
    expression.exists(|node| Ok(node.eq(call))).unwrap_or(false)
}
