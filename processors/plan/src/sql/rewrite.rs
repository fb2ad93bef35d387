//! Flink's special forms as the ordinary calls and operators they mean.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField,
    ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query,
    Spanned, TableFactor, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::functions::HEXADECIMAL;

use super::dialect::{call, unnamed};
use super::interval;

/// Rewrites every expression of a query.
pub(crate) fn rewrite(query: &mut Query) {
    let _ = query.visit(&mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    /// The parser takes `UNNEST(list)` for the call of a table function.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(args), alias, .. } = factor
            && name.to_string().eq_ignore_ascii_case("UNNEST")
        {
            *factor = TableFactor::UNNEST {
                alias: alias.take(),
                array_exprs: args.args.iter().filter_map(argument).collect(),
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: false,
            };
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Interval(literal) = expr {
            interval::plain(literal);
        }
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            access_chain.iter_mut().for_each(name_field);
        }
        let span = expr.span();
        let new = match expr {
            Expr::Function(function) => special_call(function),
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(unit) } => {
                to_unit("FLOOR", expr, unit, span)
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(unit) } => {
                to_unit("CEIL", expr, unit, span)
            }
            Expr::Extract { field, expr, .. } => {
                Some(function("EXTRACT", span, [text(&field.to_string()), (**expr).clone()]))
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let from = substring_from.as_deref().cloned();
                let args = [Some((**expr).clone()), from, substring_for.as_deref().cloned()];
                Some(function("SUBSTRING", span, args.into_iter().flatten()))
            }
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) if digits.contains(['e', 'E']) => {
                    Some(cast(expr.clone(), DataType::Double(ExactNumberInfo::None)))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(new) = new {
            *expr = new;
        }
        ControlFlow::Continue(())
    }
}

/// `list[1].field`: DataFusion wants the name of the field as a text.
fn name_field(access: &mut AccessExpr) {
    if let AccessExpr::Dot(Expr::Identifier(name)) = access {
        *access = AccessExpr::Dot(text(&name.value));
    }
}

/// A call that is really an operator, or whose first argument is a unit of time.
fn special_call(function: &mut Function) -> Option<Expr> {
    let name = function.name.to_string().to_ascii_uppercase();
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let args: Vec<Expr> = list.args.iter().map(argument).collect::<Option<_>>()?;
    match (name.as_str(), args.as_slice()) {
        ("IF", [condition, yes, no]) => Some(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition: condition.clone(), result: yes.clone() }],
            else_result: Some(Box::new(no.clone())),
        }),
        ("MOD", [left, right]) => Some(binary(left, BinaryOperator::Modulo, right)),
        // Unlike DataFusion's, this is NULL as soon as one argument is.
        ("CONCAT", [first, rest @ ..]) => {
            let first = cast(first.clone(), DataType::String(None));
            Some(
                rest.iter()
                    .fold(first, |all, next| binary(&all, BinaryOperator::StringConcat, next)),
            )
        }
        // Flink's digests are texts of hexadecimal digits.
        ("SHA224" | "SHA256" | "SHA384" | "SHA512", [_]) => {
            let digest = Expr::Function(function.clone());
            let span = function.name.span();
            Some(self::function(HEXADECIMAL, span, [digest, text("hex")]))
        }
        ("LISTAGG", [_]) => {
            list.args.push(unnamed(text(",")));
            None
        }
        ("TIMESTAMPDIFF" | "TIMESTAMPADD", [Expr::Identifier(unit), ..]) => {
            list.args[0] = unnamed(text(&unit.value.to_ascii_uppercase()));
            None
        }
        _ => None,
    }
}

fn argument(arg: &FunctionArg) -> Option<Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

fn to_unit(name: &str, value: &Expr, unit: &DateTimeField, span: Span) -> Option<Expr> {
    match unit {
        DateTimeField::NoDateTime => None,
        unit => Some(function(name, span, [value.clone(), text(&unit.to_string())])),
    }
}

fn binary(left: &Expr, op: BinaryOperator, right: &Expr) -> Expr {
    let nested = |expr: &Expr| Box::new(Expr::Nested(Box::new(expr.clone())));
    Expr::BinaryOp { left: nested(left), op, right: nested(right) }
}

fn function(name: &str, span: Span, args: impl IntoIterator<Item = Expr>) -> Expr {
    let args = args.into_iter().map(unnamed).collect();
    Expr::Function(call(Ident::with_span(span, name), args))
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

fn cast(value: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value),
        data_type,
        array: false,
        format: None,
    }
}
