//! Window table functions in `FROM`: their arguments, checked, become a [`WindowTvf`].

use std::sync::Arc;

use datafusion::common::{Column, Diagnostic, Result, Span as PlanSpan};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Spanned,
    TableFactor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::WindowKind;

use super::dialect::{TABLE_ARGUMENT, name_span};
use super::event_time::is_event_time;
use super::failure::fail;
use super::interval;
use super::suggest::did_you_mean;
use super::unnest;
use super::window_tvf::WindowTvf;

/// Plans `TABLE(TUMBLE(…))` and its like; leaves everything else to DataFusion.
#[derive(Debug)]
pub(crate) struct WindowPlanner;

impl RelationPlanner for WindowPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
                let plan = window_tvf(&function, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::TableFunction { expr, .. } => Err(fail(
                expr.span(),
                "TABLE(…) wants a window function",
                "write TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
            )),
            TableFactor::UNNEST { array_exprs, alias, .. } => {
                let plan = unnest::plan(array_exprs, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

/// How a window function is called.
struct Shape {
    names: &'static [&'static str],
    optional: usize,
    example: &'static str,
}

fn shape(name: &str) -> Option<Shape> {
    let (names, optional, example): (&[&str], _, _) = match name {
        "TUMBLE" => (
            &["DATA", "TIMECOL", "SIZE", "OFFSET"],
            1,
            "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
        ),
        "HOP" => (
            &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
            1,
            "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
        ),
        "CUMULATE" => (
            &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
            1,
            "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)",
        ),
        "SESSION" => (
            &["DATA", "TIMECOL", "GAP"],
            0,
            "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE)",
        ),
        _ => return None,
    };
    Some(Shape { names, optional, example })
}

fn window_tvf(
    function: &Function,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let name = function.name.to_string().to_ascii_uppercase();
    let Some(shape) = shape(&name) else {
        let known = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];
        let hint = match did_you_mean(&name, known) {
            Some(known) => format!("did you mean {known}?"),
            None => "the table functions are TUMBLE, HOP, CUMULATE and SESSION".to_owned(),
        };
        let message = format!("the table function {name} is not supported yet");
        return Err(fail(name_span(function), message, &hint));
    };
    let arguments = arguments(function, &name, &shape)?;
    let (input, partition) = input(arguments[0], &shape, context)?;
    let time_column = time_column(arguments[1], &name, &shape, &input)?;
    let window = window(&name, &arguments[2..], &shape)?;
    let is_session = matches!(window, WindowKind::Session { .. });
    if let Some(first) = partition.first()
        && !is_session
    {
        let message = format!("{name} has no PARTITION BY: its windows are the same for all keys");
        return Err(fail(first.span(), message, "leave it out and put the key into GROUP BY"));
    }
    let partition_by =
        partition.iter().map(|expr| column_of(expr, &input)).collect::<Result<_>>()?;
    let node = WindowTvf::new(input, window, time_column, partition_by)
        .map_err(|error| fail(name_span(function), message_of(&error), ""))?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

fn message_of(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::Plan(message) => message.clone(),
        other => other.strip_backtrace(),
    }
}

/// The arguments in the order of the shape's names; optional ones may be missing at the end.
fn arguments<'f>(function: &'f Function, name: &str, shape: &Shape) -> Result<Vec<&'f Expr>> {
    let wrong =
        |span: Span, message: String| fail(span, message, &format!("write {}", shape.example));
    let FunctionArguments::List(list) = &function.args else {
        return Err(wrong(name_span(function), format!("{name} wants arguments")));
    };
    let mut found: Vec<Option<&Expr>> = vec![None; shape.names.len()];
    for (position, arg) in list.args.iter().enumerate() {
        let (slot, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (position, expr),
            FunctionArg::Named { name: given, arg: FunctionArgExpr::Expr(expr), .. } => {
                let is_given = |known: &&str| known.eq_ignore_ascii_case(&given.value);
                let Some(slot) = shape.names.iter().position(is_given) else {
                    let message = format!("{name} has no argument `{given}`");
                    return Err(fail(
                        given.span,
                        message,
                        &format!("its arguments are {}", shape.names.join(", ")),
                    ));
                };
                (slot, expr)
            }
            other => return Err(wrong(other.span(), format!("{name} cannot take `{other}`"))),
        };
        match found.get_mut(slot) {
            Some(place) if place.is_none() => *place = Some(expr),
            Some(_) => {
                return Err(wrong(expr.span(), format!("{} is given twice", shape.names[slot])));
            }
            None => return Err(wrong(expr.span(), format!("{name} has no more arguments"))),
        }
    }
    let needed = shape.names.len() - shape.optional;
    if let Some(missing) = found[..needed].iter().position(Option::is_none) {
        let message = format!("{name} wants one more argument: {}", shape.names[missing]);
        return Err(wrong(name_span(function), message));
    }
    Ok(found.into_iter().flatten().collect())
}

/// The plan of `TABLE t` or of a query, and the expressions of its PARTITION BY.
fn input(
    argument: &Expr,
    shape: &Shape,
    context: &mut dyn RelationPlannerContext,
) -> Result<(LogicalPlan, Vec<Expr>)> {
    match argument {
        Expr::Function(function) if function.name.to_string() == TABLE_ARGUMENT => {
            let partition = exprs(&function.parameters);
            match exprs(&function.args).into_iter().next() {
                Some(Expr::CompoundIdentifier(name)) => {
                    Ok((context.plan(table_named(name))?, partition))
                }
                Some(Expr::Subquery(query)) => Ok((context.plan(derived(query))?, partition)),
                _ => unreachable!("the dialect makes a name or a query"),
            }
        }
        Expr::Subquery(query) => Ok((context.plan(derived(query.clone()))?, Vec::new())),
        other => Err(fail(
            other.span(),
            "the first argument of a window function is a table",
            &format!("write TABLE before its name: {}", shape.example),
        )),
    }
}

fn exprs(arguments: &FunctionArguments) -> Vec<Expr> {
    let FunctionArguments::List(list) = arguments else { return Vec::new() };
    let expr = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().filter_map(expr).collect()
}

fn table_named(name: Vec<Ident>) -> TableFactor {
    TableFactor::Table {
        name: name.into(),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn derived(subquery: Box<Query>) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery, alias: None, sample: None }
}

/// The column of `DESCRIPTOR(ts)`, which must carry event time.
fn time_column(argument: &Expr, name: &str, shape: &Shape, input: &LogicalPlan) -> Result<Column> {
    let wrong =
        |message: String| fail(argument.span(), message, &format!("write {}", shape.example));
    let column = match argument {
        Expr::Function(function)
            if function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") =>
        {
            match exprs(&function.args).as_slice() {
                [column] => column.clone(),
                _ => return Err(wrong("DESCRIPTOR wants one column".to_owned())),
            }
        }
        _ => return Err(wrong(format!("the second argument of {name} is DESCRIPTOR(column)"))),
    };
    let found = column_of(&column, input)?;
    let index = input.schema().index_of_column(&found)?;
    if is_event_time(input, index) {
        return Ok(found);
    }
    let times: Vec<&str> = (0..input.schema().fields().len())
        .filter(|index| is_event_time(input, *index))
        .map(|index| input.schema().field(index).name().as_str())
        .collect();
    let hint = if times.is_empty() {
        "the input has no event time: window over a stream with event time, over a projection \
         that passes it on unchanged, or over window_time of a window below"
            .to_owned()
    } else {
        format!("event time is in `{}`", times.join("`, `"))
    };
    let message = format!("`{column}` is not an event-time column, so {name} cannot use it");
    Err(fail(column.span(), message, &hint))
}

fn column_of(expr: &Expr, input: &LogicalPlan) -> Result<Column> {
    let parts = match expr {
        Expr::Identifier(name) => vec![name.clone()],
        Expr::CompoundIdentifier(parts) => parts.clone(),
        _ => return Err(fail(expr.span(), format!("`{expr}` is not a column"), "write its name")),
    };
    let name = parts.last().expect("an identifier has a part");
    match input.schema().qualified_fields_with_unqualified_name(&name.value).as_slice() {
        [(qualifier, field)] => Ok(Column::new(qualifier.cloned(), field.name())),
        [] => {
            let names = input.schema().fields().iter().map(|field| field.name().as_str());
            let hint = match did_you_mean(&name.value, names) {
                Some(known) => format!("did you mean `{known}`?"),
                None => String::new(),
            };
            let message = format!("there is no column `{}` in the input of the window", name.value);
            Err(fail(name.span, message, &hint))
        }
        _ => {
            let message = format!("more than one column of the input is called `{}`", name.value);
            let span = PlanSpan::try_from_sqlparser_span(name.span);
            let diagnostic = Diagnostic::new_error(message.clone(), span);
            Err(DataFusionError::Plan(message).with_diagnostic(diagnostic))
        }
    }
}

/// The windows that the lengths describe.
fn window(name: &str, lengths: &[&Expr], shape: &Shape) -> Result<WindowKind> {
    let mut micros = Vec::with_capacity(lengths.len());
    for (position, expr) in lengths.iter().enumerate() {
        let argument = shape.names[position + 2];
        let length = match expr {
            Expr::Interval(interval) => interval::microseconds(interval),
            _ => None,
        };
        let Some(length) = length else {
            let message = format!("{argument} of {name} is an interval of fixed length");
            return Err(fail(expr.span(), message, "write, for example, INTERVAL '10' MINUTE"));
        };
        if length <= 0 && argument != "OFFSET" {
            return Err(fail(expr.span(), format!("{argument} of {name} must be positive"), ""));
        }
        micros.push(length);
    }
    let offset = |at: usize| micros.get(at).copied().unwrap_or(0);
    let multiple = |size: i64, part: i64| {
        if size % part == 0 {
            return Ok(());
        }
        let message = format!("the size of {name} must be a multiple of its {}", shape.names[2]);
        Err(fail(lengths[1].span(), message, &format!("the order is {}", shape.example)))
    };
    Ok(match name {
        "TUMBLE" => WindowKind::Tumble { size: micros[0], offset: offset(1) },
        "HOP" => {
            multiple(micros[1], micros[0])?;
            WindowKind::Hop { slide: micros[0], size: micros[1], offset: offset(2) }
        }
        "CUMULATE" => {
            multiple(micros[1], micros[0])?;
            WindowKind::Cumulate { step: micros[0], size: micros[1], offset: offset(2) }
        }
        _ => WindowKind::Session { gap: micros[0] },
    })
}
