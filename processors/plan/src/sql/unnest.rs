//! `CROSS JOIN UNNEST(list) AS t (x)`: bound as a join, rewritten to repeat rows, as it means.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::NullHandling;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    Column, DFSchema, JoinType, Result, ScalarValue, UnnestOptions, plan_err,
};
use datafusion::functions::core::get_field;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Spanned};

use super::failure::fail;

const ELEMENT: &str = "unnested element";

/// Binds `UNNEST(list)`: the elements of the list, or the fields of elements that are rows.
pub(super) fn plan(
    lists: Vec<SqlExpr>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let mut lists = lists.into_iter();
    let (Some(list), None) = (lists.next(), lists.next()) else {
        return plan_err!("UNNEST wants one list");
    };
    let span = list.span();
    let empty = LogicalPlanBuilder::empty(true).build()?;
    let list = context.sql_expr_to_logical_expr(list, &DFSchema::empty())?;
    let list_type = list.get_type(empty.schema())?;
    let element = match &list_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().clone()
        }
        DataType::Map(..) => return Err(fail(span, "UNNEST of a MAP is not supported yet", "")),
        _ => return Err(fail(span, "UNNEST wants a list", "give it a column of type ARRAY")),
    };
    let unnested = LogicalPlanBuilder::from(empty)
        .project([list.alias(ELEMENT)])?
        .unnest_column_with_options(Column::from_name(ELEMENT), UnnestOptions::new())?;
    let column = Expr::Column(Column::from_name(ELEMENT));
    let DataType::Struct(fields) = element else {
        return unnested.project([column.alias("EXPR$0")])?.build();
    };
    let field = |name: &String| {
        get_field().call(vec![column.clone(), lit(ScalarValue::from(name.as_str()))]).alias(name)
    };
    unnested.project(fields.iter().map(|f| field(f.name())))?.build()
}

/// Turns joins with the elements of a list of the left side into an `Unnest` of the left side.
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if unnests(&join.right) => repeat(join).map(Transformed::yes),
        node => Ok(Transformed::no(node)),
    })?;
    if rewritten.data.exists(|node| Ok(matches!(node, LogicalPlan::EmptyRelation(_))))? {
        return plan_err!("a query that reads no stream is not supported");
    }
    Ok(rewritten.data)
}

/// Whether a plan is nothing but the elements of a list.
fn unnests(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => unnests(&alias.input),
        LogicalPlan::Subquery(subquery) => unnests(&subquery.subquery),
        LogicalPlan::Projection(projection) => unnests(&projection.input),
        LogicalPlan::Unnest(unnest) => match unnest.input.as_ref() {
            LogicalPlan::Projection(list) => {
                matches!(list.input.as_ref(), LogicalPlan::EmptyRelation(_))
            }
            _ => false,
        },
        _ => false,
    }
}

fn repeat(join: Join) -> Result<LogicalPlan> {
    let nulls = match join.join_type {
        JoinType::Inner => NullHandling::Drop,
        JoinType::Left => NullHandling::PreserveAndExpandEmpty,
        other => return plan_err!("UNNEST in a {other} join is not supported"),
    };
    let condition = join.filter.filter(|filter| *filter != lit(true));
    if !join.on.is_empty() || (condition.is_some() && nulls != NullHandling::Drop) {
        return plan_err!("a join with UNNEST takes ON TRUE only; filter the elements with WHERE");
    }
    let left = Graft { columns: columns_of(&join.left), left: join.left, nulls };
    let repeated = left.onto(&join.right)?;
    match condition {
        Some(condition) => LogicalPlanBuilder::from(repeated).filter(condition)?.build(),
        None => Ok(repeated),
    }
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// The left side of a join, put in place of the empty relation below the right side.
struct Graft {
    left: Arc<LogicalPlan>,
    columns: Vec<Expr>,
    nulls: NullHandling,
}

impl Graft {
    fn onto(&self, right: &LogicalPlan) -> Result<LogicalPlan> {
        match right {
            LogicalPlan::EmptyRelation(_) => Ok(self.left.as_ref().clone()),
            LogicalPlan::Subquery(subquery) => self.onto(&subquery.subquery),
            LogicalPlan::Projection(projection) => {
                let own = projection.expr.iter().cloned().map(resolve_outer);
                let own: Vec<Expr> = own.collect::<Result<_>>()?;
                self.with(own, self.onto(&projection.input)?)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let own = alias.input.schema().columns().into_iter().map(|column| {
                    let name = column.name.clone();
                    Expr::Column(column).alias_qualified(Some(alias.alias.clone()), name)
                });
                self.with(own.collect(), self.onto(&alias.input)?)
            }
            LogicalPlan::Unnest(unnest) => {
                let options = UnnestOptions::new().with_null_handling(self.nulls);
                LogicalPlanBuilder::from(self.onto(&unnest.input)?)
                    .unnest_columns_with_options(unnest.exec_columns.clone(), options)?
                    .build()
            }
            other => plan_err!("UNNEST over {} is not supported", other.display()),
        }
    }

    /// The columns of the left side and `own`.
    fn with(&self, own: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan> {
        let exprs = self.columns.iter().cloned().chain(own);
        LogicalPlanBuilder::from(input).project(exprs)?.build()
    }
}

fn resolve_outer(expr: Expr) -> Result<Expr> {
    let resolved = expr.transform(|part| {
        Ok(match part {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    })?;
    Ok(resolved.data)
}
