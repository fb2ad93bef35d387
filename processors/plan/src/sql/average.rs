//! `AVG` of whole numbers, which in Flink is a whole number.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast,
};

/// Writes every `AVG(x)` of whole numbers as `SUM(x) / COUNT(x)`, which are exact and can be shared
/// with those the query asks for itself.
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut changed = false;
    let rewritten = plan.transform_up_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = &node
            && aggregate.aggr_expr.iter().any(|expr| whole_average(expr, aggregate).is_some())
        {
            changed = true;
            return split(aggregate).map(Transformed::yes);
        }
        // What is above an average has the new type too.
        if changed {
            node.recompute_schema().map(Transformed::yes)
        } else {
            Ok(Transformed::no(node))
        }
    })?;
    Ok(rewritten.data)
}

/// The call, if it is an average of whole numbers.
fn whole_average<'e>(expr: &'e Expr, aggregate: &Aggregate) -> Option<&'e AggregateFunction> {
    let Expr::AggregateFunction(call) = expr else { return None };
    let [argument] = call.params.args.as_slice() else { return None };
    let whole = argument.get_type(aggregate.input.schema()).is_ok_and(|t| t.is_integer());
    (call.func.name() == "avg" && whole).then_some(call)
}

fn split(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let mut calls: Vec<Expr> = Vec::new();
    let mut add = |call: Expr| {
        let name = call.schema_name().to_string();
        if !calls.iter().any(|known| known.schema_name().to_string() == name) {
            calls.push(call);
        }
        Expr::Column(Column::from_name(name))
    };
    let mut results = Vec::with_capacity(aggregate.aggr_expr.len());
    for expr in &aggregate.aggr_expr {
        let name = expr.schema_name().to_string();
        results.push(match whole_average(expr, aggregate) {
            None => add(expr.clone()),
            Some(average) => {
                let of = |func| {
                    let params = AggregateFunctionParams { ..average.params.clone() };
                    Expr::AggregateFunction(AggregateFunction { func, params })
                };
                let (sum, count) = (add(of(sum_udaf())), add(of(count_udaf())));
                let data_type = average.params.args[0].get_type(aggregate.input.schema())?;
                cast(sum / count, data_type).alias(name)
            }
        });
    }
    let inner = Aggregate::try_new(aggregate.input.clone(), aggregate.group_expr.clone(), calls)?;
    let keys = aggregate.schema.columns();
    let keys = keys[..aggregate.schema.fields().len() - results.len()].iter().cloned();
    let exprs: Vec<Expr> = keys.map(Expr::Column).chain(results).collect();
    LogicalPlanBuilder::from(LogicalPlan::Aggregate(inner)).project(exprs)?.build()
}
