//! Compiled expressions: making, reading and rewriting them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_expr_common::physical_expr::fmt_sql;

/// A compiled expression.
pub(crate) type Expression = Arc<dyn PhysicalExpr>;

/// `expr` over the columns of `schema`.
pub(crate) fn compile(expr: &Expr, schema: &DFSchema) -> Result<Expression> {
    let properties = datafusion::physical_expr::execution_props::ExecutionProps::new();
    create_physical_expr(expr, schema, &properties, &PhysicalPlanningContext::default())
}

/// Column `index` of `schema`.
pub(crate) fn column(schema: &Schema, index: usize) -> Expression {
    Arc::new(Column::new(schema.field(index).name(), index))
}

/// All columns of `schema`.
pub(crate) fn identity(schema: &Schema) -> Vec<Expression> {
    (0..schema.fields().len()).map(|index| column(schema, index)).collect()
}

/// The column that `expression` is, if it is nothing else.
pub(crate) fn as_column(expression: &Expression) -> Option<usize> {
    expression.downcast_ref::<Column>().map(Column::index)
}

/// Whether computing `expression` costs nothing.
pub(crate) fn is_free(expression: &Expression) -> bool {
    expression.is::<Column>() || expression.is::<Literal>()
}

/// Counts how often `expression` reads each column.
pub(crate) fn count_uses(expression: &Expression, uses: &mut [usize]) {
    match as_column(expression) {
        Some(index) => uses[index] += 1,
        None => expression.children().into_iter().for_each(|child| count_uses(child, uses)),
    }
}

/// The columns read by `expression`.
pub(crate) fn used(expression: &Expression) -> BTreeSet<usize> {
    collect_columns(expression).iter().map(Column::index).collect()
}

/// `expression` with column i replaced by `columns[i]`.
pub(crate) fn replace(expression: &Expression, columns: &[Expression]) -> Expression {
    rewrite(expression, |index| columns[index].clone())
}

/// `expression` with column i replaced by column `map(i)` of `schema`.
pub(crate) fn renumber(
    expression: &Expression,
    schema: &Schema,
    map: impl Fn(usize) -> usize,
) -> Expression {
    rewrite(expression, |index| column(schema, map(index)))
}

fn rewrite(expression: &Expression, new: impl Fn(usize) -> Expression) -> Expression {
    expression
        .clone()
        .transform_up(|node| match as_column(&node) {
            Some(index) => Ok(Transformed::yes(new(index))),
            None => Ok(Transformed::no(node)),
        })
        .data()
        .expect("replacing a leaf by another leaf keeps every expression well formed")
}

/// The column whose value can be told from that of `expression`: the column itself, or a cast of it
/// that maps no two values to one.
pub(crate) fn names_column(expression: &Expression, schema: &Schema) -> Option<usize> {
    if let Some(index) = as_column(expression) {
        return Some(index);
    }
    let cast = expression.downcast_ref::<CastExpr>()?;
    let from = cast.expr().data_type(schema).ok()?;
    let to = cast.cast_type();
    let text =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let one_to_one = from == *to || from.is_integer() && to.is_integer() || text(&from) && text(to);
    if one_to_one { names_column(cast.expr(), schema) } else { None }
}

/// `expression` as SQL, with the names of its columns.
pub(crate) fn text(expression: &Expression) -> String {
    // Literals are shown by DataFusion as in a result: without quotes, times as numbers.
    let named = expression.clone().transform_up(|node| {
        let literal = node.downcast_ref::<Literal>().and_then(|literal| quoted(literal.value()));
        Ok(match literal {
            Some(text) => Transformed::yes(Arc::new(Column::new(&text, 0)) as Expression),
            None => Transformed::no(node),
        })
    });
    let named = named.data().unwrap_or_else(|_| expression.clone());
    fmt_sql(named.as_ref()).to_string()
}

fn quoted(value: &ScalarValue) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => Some(format!("'{}'", text.replace('\'', "''"))),
        ScalarValue::TimestampMicrosecond(..) | ScalarValue::IntervalMonthDayNano(_) => {
            let text = array_value_to_string(&value.to_array().ok()?, 0).ok()?;
            Some(format!("'{text}'"))
        }
        _ => None,
    }
}

/// Expressions without repetition, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Columns(pub(crate) Vec<Expression>);

impl Columns {
    /// The place of `expression`, which is added if it is new.
    pub(crate) fn place(&mut self, expression: Expression) -> usize {
        if let Some(place) = self.0.iter().position(|known| known.eq(&expression)) {
            return place;
        }
        self.0.push(expression);
        self.0.len() - 1
    }
}
