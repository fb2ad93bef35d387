//! An aggregate call of a logical plan.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::AggregateFunction;

use super::converter::Converter;
use super::expression::Expression;
use crate::{AggregateFn, SqlError};

/// An aggregate whose arguments are not yet columns.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: AggregateFn,
    pub(crate) args: Vec<Expression>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expression>,
    pub(crate) output: DataType,
}

impl Converter<'_> {
    /// The call `expr`, over the columns of `schema`, with results of type `output`.
    pub(crate) fn call(
        &self,
        expr: &Expr,
        schema: &DFSchema,
        output: &DataType,
    ) -> Result<Call, SqlError> {
        let call = match expr {
            Expr::Alias(alias) => return self.call(&alias.expr, schema, output),
            Expr::AggregateFunction(call) => call,
            other => return Err(self.error(format!("`{other}` is not an aggregate"))),
        };
        let params = &call.params;
        let name = call.func.name();
        if !params.order_by.is_empty() {
            return Err(self
                .error_near("order by", format!("ORDER BY inside {name} is not supported"))
                .hint("rows are aggregated in the order in which they come"));
        }
        let function = self.function(call)?;
        let args = match &function {
            AggregateFn::CountRows => &[],
            AggregateFn::ListAgg { .. } => &params.args[..1],
            _ => &params.args[..],
        };
        Ok(Call {
            args: self.compile_all(args, schema)?,
            distinct: params.distinct,
            filter: params.filter.as_ref().map(|e| self.compile(e, schema)).transpose()?,
            output: output.clone(),
            function,
        })
    }

    fn function(&self, call: &AggregateFunction) -> Result<AggregateFn, SqlError> {
        let (name, params) = (call.func.name(), &call.params);
        let moments = |root, sample| AggregateFn::Moments { root, sample };
        Ok(match name {
            "count" if !params.distinct && params.args.iter().all(counts_rows) => {
                AggregateFn::CountRows
            }
            "count" if params.args.len() == 1 => AggregateFn::Count,
            "sum" => AggregateFn::Sum,
            "min" => AggregateFn::Min,
            "max" => AggregateFn::Max,
            "avg" => AggregateFn::Avg,
            "first_value" => AggregateFn::First,
            "last_value" => AggregateFn::Last,
            "stddev" => moments(true, true),
            "stddev_pop" => moments(true, false),
            "var" => moments(false, true),
            "var_pop" => moments(false, false),
            "bool_and" => AggregateFn::And,
            "bool_or" => AggregateFn::Or,
            "string_agg" | "listagg" => {
                AggregateFn::ListAgg { separator: self.separator(params.args.get(1))? }
            }
            "array_agg" => AggregateFn::ArrayAgg,
            other => match self.catalog.aggregates.get(other) {
                Some(function) => AggregateFn::Registered(function.clone()),
                None => {
                    return Err(self
                        .error_near(other, format!("the aggregate `{other}` is not supported"))
                        .hint(
                            "there are COUNT, SUM, MIN, MAX, AVG, FIRST_VALUE, LAST_VALUE, \
                             STDDEV_POP, STDDEV_SAMP, VAR_POP, VAR_SAMP, BOOL_AND, BOOL_OR, \
                             LISTAGG, ARRAY_AGG, and those that the program registers",
                        ));
                }
            },
        })
    }

    fn separator(&self, arg: Option<&Expr>) -> Result<String, SqlError> {
        match arg {
            None => Ok(",".to_owned()),
            Some(Expr::Literal(
                ScalarValue::Utf8(Some(text))
                | ScalarValue::Utf8View(Some(text))
                | ScalarValue::LargeUtf8(Some(text)),
                _,
            )) => Ok(text.clone()),
            Some(other) => Err(self
                .error_near("listagg", format!("the separator `{other}` is not a text"))
                .hint("write it as 'text'")),
        }
    }
}

/// Whether counting this counts rows.
fn counts_rows(arg: &Expr) -> bool {
    match arg {
        Expr::Literal(value, _) => !value.is_null(),
        #[expect(deprecated, reason = "plans may still hold it when no rule has replaced it")]
        Expr::Wildcard { .. } => true,
        _ => false,
    }
}
