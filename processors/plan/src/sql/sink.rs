//! Whether a query fits the sink it is inserted into, and the casts that make it fit.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{Ident, Query, SelectItem, SetExpr, Spanned};

use crate::{SinkDef, SqlError};

use super::context::Context;
use super::failure;
use super::suggest::did_you_mean;
use super::text::SourceText;
use super::types::flink_name;

/// An insert: where it goes and what it says of columns.
pub(crate) struct Target<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) def: &'a SinkDef,
    /// `INSERT INTO sink (columns)`.
    pub(crate) columns: &'a [Ident],
    pub(crate) query: &'a Query,
}

/// The plan with the sink's columns: by position, cast where Flink casts by itself.
pub(crate) fn fit(
    plan: LogicalPlan,
    target: &Target<'_>,
    text: &SourceText<'_>,
    context: &Context,
) -> Result<LogicalPlan, Vec<SqlError>> {
    let fields: Vec<Field> =
        plan.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let wanted = wanted(target, &fields, text)?;
    let (input, inputs) = columns(plan);
    let mut errors = Vec::new();
    let mut exprs = Vec::with_capacity(wanted.len());
    for column in &wanted {
        let Some(position) = column.position else {
            exprs.push(typed_null(&column.data_type).alias(&column.name));
            continue;
        };
        let has = fields[position].data_type();
        let expr = inputs[position].clone();
        if has == &column.data_type {
            exprs.push(expr.alias(&column.name));
        } else if implicit(has, &column.data_type)
            || is_int(&expr, &column.data_type, input.schema())
        {
            let cast = datafusion::logical_expr::cast(expr, column.data_type.clone());
            exprs.push(cast.alias(&column.name));
        } else {
            errors.push(mismatch(position, has, column, target, text));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let at = text.range(target.name.span);
    project(input, exprs)
        .map_err(|error| failure::explain(&error, text, context, &at).into_iter().collect())
}

/// The columns of a plan, and the plan they are taken from. The items of a SELECT are taken from
/// below it: two of them may have the same name.
fn columns(plan: LogicalPlan) -> (LogicalPlan, Vec<Expr>) {
    match plan {
        LogicalPlan::Projection(projection) => {
            let exprs = projection.expr.into_iter().map(Expr::unalias);
            (Arc::unwrap_or_clone(projection.input), exprs.collect())
        }
        other => {
            let columns = other.schema().columns().into_iter().map(Expr::Column).collect();
            (other, columns)
        }
    }
}

fn project(plan: LogicalPlan, exprs: Vec<Expr>) -> PlanResult<LogicalPlan> {
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// A column of the sink and the column of the query that fills it.
struct Wanted {
    name: String,
    data_type: DataType,
    position: Option<usize>,
}

fn wanted(
    target: &Target<'_>,
    fields: &[Field],
    text: &SourceText<'_>,
) -> Result<Vec<Wanted>, Vec<SqlError>> {
    let Some(schema) = &target.def.schema else {
        return free(target, fields, text);
    };
    let named: Vec<usize> = if target.columns.is_empty() {
        (0..schema.fields().len()).collect()
    } else {
        {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            named(target, &names, text)?
        }
    };
    count(target, fields.len(), named.len(), text)?;
    let column = |(index, field): (usize, &Arc<Field>)| Wanted {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        position: named.iter().position(|named| *named == index),
    };
    Ok(schema.fields().iter().enumerate().map(column).collect())
}

/// The columns of a sink that takes what it gets.
fn free(
    target: &Target<'_>,
    fields: &[Field],
    text: &SourceText<'_>,
) -> Result<Vec<Wanted>, Vec<SqlError>> {
    if !target.columns.is_empty() {
        count(target, fields.len(), target.columns.len(), text)?;
    }
    let name = |position: usize| {
        target.columns.get(position).map_or(fields[position].name(), |column| &column.value).clone()
    };
    let all: Vec<Wanted> = fields
        .iter()
        .enumerate()
        .map(|(position, field)| Wanted {
            name: name(position),
            data_type: field.data_type().clone(),
            position: Some(position),
        })
        .collect();
    for (position, column) in all.iter().enumerate() {
        if all[..position].iter().any(|before| before.name == column.name) {
            let at = item_range(target.query, position, text)
                .unwrap_or_else(|| text.range(target.name.span));
            return Err(vec![
                text.error(at, format!("two columns of the result are called `{}`", column.name))
                    .hint("give one of them another name with AS"),
            ]);
        }
    }
    Ok(all)
}

fn named(
    target: &Target<'_>,
    names: &[&str],
    text: &SourceText<'_>,
) -> Result<Vec<usize>, Vec<SqlError>> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for column in target.columns {
        let Some(index) = names.iter().position(|name| *name == column.value) else {
            let message = format!("`{}` has no column `{}`", target.name.value, column.value);
            let error = text.error_at(column.span, message);
            errors.push(match did_you_mean(&column.value, names.iter().copied()) {
                Some(name) => error.hint(format!("did you mean `{name}`?")),
                None => error,
            });
            continue;
        };
        if found.contains(&index) {
            let message = format!("`{}` is named twice", column.value);
            errors.push(text.error_at(column.span, message));
        }
        found.push(index);
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn count(
    target: &Target<'_>,
    has: usize,
    wants: usize,
    text: &SourceText<'_>,
) -> Result<(), Vec<SqlError>> {
    if has == wants {
        return Ok(());
    }
    let plural = |n: usize| if n == 1 { "column" } else { "columns" };
    let message =
        format!("the query has {has} {}, but `{}` takes {wants}", plural(has), target.name.value);
    let error = text.error_at(target.name.span, message);
    let hint = match &target.def.schema {
        Some(schema) if target.columns.is_empty() => {
            let columns: Vec<String> = schema
                .fields()
                .iter()
                .map(|field| format!("{} {}", field.name(), flink_name(field.data_type())))
                .collect();
            format!("its columns are {}", columns.join(", "))
        }
        _ => "select as many columns as are named".to_owned(),
    };
    Err(vec![error.hint(hint)])
}

fn mismatch(
    position: usize,
    has: &DataType,
    column: &Wanted,
    target: &Target<'_>,
    text: &SourceText<'_>,
) -> SqlError {
    let at =
        item_range(target.query, position, text).unwrap_or_else(|| text.range(target.name.span));
    let (has, wants) = (flink_name(has), flink_name(&column.data_type));
    let message = format!(
        "column {} of the query is {has}, but `{}` of `{}` is {wants}",
        position + 1,
        column.name,
        target.name.value
    );
    text.error(at, message).hint(format!("write CAST(… AS {wants}) if that is meant"))
}

/// The bytes of an item of the SELECT list, when positions can be told without expanding `*`.
fn item_range(query: &Query, position: usize, text: &SourceText<'_>) -> Option<Range<usize>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let plain = |item: &SelectItem| {
        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
    };
    let before = select.projection.get(..=position)?;
    before.iter().all(plain).then(|| text.range(before[position].span()))
}

fn typed_null(data_type: &DataType) -> Expr {
    ScalarValue::try_from(data_type).map_or_else(|_| lit(ScalarValue::Null), lit)
}

/// Whether Flink turns one type into the other by itself when rows are inserted: nothing is lost.
pub(crate) fn implicit(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let text = |t: &T| matches!(t, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let bytes = |t: &T| matches!(t, T::Binary | T::LargeBinary | T::BinaryView);
    match (from, to) {
        (T::Null, _)
        | (T::Timestamp(..) | T::Date32, T::Timestamp(..))
        | (T::Float32 | T::Decimal128(..), T::Float64)
        | (T::Decimal128(..), T::Float32 | T::Decimal128(..)) => true,
        (T::Dictionary(_, value), other) => implicit(value, other),
        (T::List(from) | T::LargeList(from), T::List(to) | T::LargeList(to)) => {
            from.data_type() == to.data_type() || implicit(from.data_type(), to.data_type())
        }
        (T::Struct(from), T::Struct(to)) => {
            let fits = |(from, to): (&Arc<Field>, &Arc<Field>)| {
                from.data_type() == to.data_type() || implicit(from.data_type(), to.data_type())
            };
            from.len() == to.len() && from.iter().zip(to).all(fits)
        }
        (from, to) if text(from) && text(to) || bytes(from) && bytes(to) => true,
        (from, T::Float32 | T::Float64 | T::Decimal128(..)) => from.is_integer(),
        // Unsigned numbers come from row numbers only, and no row number needs the last bit.
        (from, to) => match (width(from), width(to)) {
            (Some(from_width), Some(to_width)) => {
                from_width <= to_width && (to.is_signed_integer() || from.is_unsigned_integer())
            }
            _ => false,
        },
    }
}

/// Whether Flink would give an expression that is BIGINT here the type INT, because whole numbers
/// in a text are INT there, so that it fits.
fn is_int(expr: &Expr, wanted: &DataType, schema: &DFSchema) -> bool {
    let part = |expr: &Expr| is_int(expr, wanted, schema);
    if *wanted != DataType::Int32 {
        return false;
    }
    match expr {
        Expr::Alias(alias) => part(&alias.expr),
        Expr::Cast(cast) => part(&cast.expr),
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => i32::try_from(*value).is_ok(),
        Expr::Literal(value, _) => value.is_null(),
        Expr::BinaryExpr(binary) => part(&binary.left) && part(&binary.right),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, result)| result);
            results.chain(&case.else_expr).all(|result| part(result))
        }
        other => other.get_type(schema).is_ok_and(|t| implicit(&t, wanted) || t == *wanted),
    }
}

/// Bytes of an integer type.
fn width(data_type: &DataType) -> Option<usize> {
    data_type.is_integer().then(|| data_type.primitive_width()).flatten()
}
