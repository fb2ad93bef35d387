//! Flink syntax that a job cannot have yet, found in a query before it is bound.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, Distinct, Expr, Function, FunctionArgumentClause, FunctionArguments, GroupByExpr,
    Query, Select, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::SqlError;
use crate::functions::{Functions, refused};

use super::dialect::{TABLE_ARGUMENT, name_span};
use super::suggest::did_you_mean;
use super::text::SourceText;

const WINDOW_FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Everything in `query` that is not supported, in the order of the text.
pub(crate) fn refuse(query: &Query, text: &SourceText<'_>, functions: &Functions) -> Vec<SqlError> {
    let mut finder = Finder { text, functions, errors: Vec::new(), table_functions: 0, refused: 0 };
    let _ = query.visit(&mut finder);
    finder.errors
}

struct Finder<'a> {
    text: &'a SourceText<'a>,
    functions: &'a Functions,
    errors: Vec<SqlError>,
    /// How many `TABLE(…)` the visitor is inside of.
    table_functions: usize,
    /// How many refused calls the visitor is inside of: their arguments need no complaint.
    refused: usize,
}

impl Finder<'_> {
    fn add(&mut self, span: Span, message: &str, hint: &str) {
        let error = self.text.error_at(span, message);
        self.errors.push(if hint.is_empty() { error } else { error.hint(hint) });
    }

    fn set_expr(&mut self, body: &SetExpr) {
        match body {
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let all = *set_quantifier == SetQuantifier::All;
                if *op != SetOperator::Union || !all {
                    let name = match op {
                        SetOperator::Union => "UNION without ALL",
                        SetOperator::Intersect => "INTERSECT",
                        SetOperator::Except | SetOperator::Minus => "EXCEPT",
                    };
                    let hint = match op {
                        SetOperator::Union => "write UNION ALL, and SELECT DISTINCT around it",
                        _ => "write it as a join",
                    };
                    self.add(right.span(), &format!("{name} is not supported yet"), hint);
                }
                self.set_expr(left);
                self.set_expr(right);
            }
            SetExpr::Values(_) => {
                self.add(body.span(), "VALUES is not supported: a job reads streams", "");
            }
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            _ => self.add(body.span(), "this form of query is not supported", "write SELECT …"),
        }
    }

    fn group_by(&mut self, group_by: &GroupByExpr) {
        let GroupByExpr::Expressions(exprs, modifiers) = group_by else {
            return self.add(group_by.span(), "GROUP BY ALL is not Flink SQL", "name the columns");
        };
        for expr in exprs {
            if matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)) {
                let hint = "write one query per grouping and join them with UNION ALL";
                self.add(expr.span(), "GROUPING SETS, ROLLUP and CUBE are not supported yet", hint);
            }
        }
        if !modifiers.is_empty() {
            self.add(group_by.span(), "WITH after GROUP BY is not Flink SQL", "");
        }
    }

    fn function(&mut self, function: &Function) {
        let name = function.name.to_string();
        let upper = name.to_ascii_uppercase();
        let span = name_span(function);
        if self.refused > 0 {
            return;
        }
        if name == TABLE_ARGUMENT || upper == "DESCRIPTOR" || WINDOW_FUNCTIONS.contains(&&*upper) {
            if self.table_functions == 0 {
                self.misplaced(&upper, span);
            }
            return;
        }
        if let Some((message, hint)) = refused(&upper) {
            return self.add(span, &message, hint);
        }
        if function.over.is_some() && upper != "ROW_NUMBER" {
            return self.add(
                span,
                &format!("OVER windows other than ROW_NUMBER are not supported yet ({upper})"),
                "aggregate over a window table function, or number rows with ROW_NUMBER()",
            );
        }
        if upper == "ROW_NUMBER" && function.over.is_none() {
            let hint = "write ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)";
            return self.add(span, "ROW_NUMBER wants OVER", hint);
        }
        if !self.functions.knows(&name) {
            let mut names = self.functions.names();
            if self.table_functions > 0 {
                names.extend(WINDOW_FUNCTIONS.map(str::to_lowercase));
            }
            let hint = match did_you_mean(&name, names.iter().map(String::as_str)) {
                Some(known) => format!("did you mean {}?", known.to_uppercase()),
                None => "functions of your own are registered by the program that runs the job"
                    .to_owned(),
            };
            return self.add(span, &format!("there is no function {name}"), &hint);
        }
        self.clauses(function, &upper);
    }

    fn misplaced(&mut self, upper: &str, span: Span) {
        match upper {
            "DESCRIPTOR" => self.add(span, "DESCRIPTOR belongs into a window table function", ""),
            window if WINDOW_FUNCTIONS.contains(&window) => self.add(
                span,
                &format!("the old group window {window}(ts, …) is not supported"),
                &format!(
                    "write FROM TABLE({window}(TABLE t, DESCRIPTOR(ts), …)) and \
                     GROUP BY window_start, window_end"
                ),
            ),
            _ => self.add(span, "TABLE t is an argument of window table functions only", ""),
        }
    }

    fn clauses(&mut self, function: &Function, upper: &str) {
        let span = name_span(function);
        if !function.within_group.is_empty() {
            self.add(span, "WITHIN GROUP is not supported yet", "");
        }
        if function.null_treatment.is_some() {
            self.add(span, "IGNORE NULLS and RESPECT NULLS are not supported yet", "");
        }
        if let FunctionArguments::List(list) = &function.args {
            for clause in &list.clauses {
                let what = match clause {
                    FunctionArgumentClause::OrderBy(_) => "ORDER BY",
                    FunctionArgumentClause::IgnoreOrRespectNulls(_) => "IGNORE NULLS",
                    _ => "this clause",
                };
                self.add(span, &format!("{what} inside {upper}(…) is not supported yet"), "");
            }
        }
    }
}

/// Whether a table factor is a call that cannot be made, so that its arguments are of no interest.
fn is_refused_call(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Function { .. } => true,
        TableFactor::Table { name, args: Some(_), .. } => {
            !name.to_string().eq_ignore_ascii_case("UNNEST")
        }
        _ => false,
    }
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.set_expr(&query.body);
        if let Some(with) = &query.with
            && with.recursive
        {
            self.add(with.with_token.0.span, "WITH RECURSIVE is not supported", "");
        }
        if let Some(order) = &query.order_by {
            self.add(
                order.span(),
                "ORDER BY on a stream is not supported: it has no end to sort at",
                "for the first rows of each group, filter on ROW_NUMBER() OVER (… ORDER BY …)",
            );
        }
        if query.limit_clause.is_some() || query.fetch.is_some() {
            let span = query.limit_clause.as_ref().map_or(query.span(), Spanned::span);
            self.add(
                span,
                "LIMIT on a stream is not supported",
                "filter on ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) <= n",
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.group_by(&select.group_by);
        if select.from.is_empty() {
            self.add(select.select_token.0.span, "a query without FROM reads no stream", "");
        }
        if let Some(Distinct::On(_)) = &select.distinct {
            self.add(
                select.select_token.0.span,
                "DISTINCT ON is not Flink SQL",
                "filter on ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) = 1",
            );
        }
        if let Some(qualify) = &select.qualify {
            self.add(
                qualify.span(),
                "QUALIFY is not supported yet",
                "filter on the row number in a query around this one",
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.refused += usize::from(is_refused_call(factor));
        match factor {
            TableFactor::TableFunction { .. } => self.table_functions += 1,
            TableFactor::Table { version: Some(_), .. } => self.add(
                factor.span(),
                "temporal and lookup joins (FOR SYSTEM_TIME AS OF) are not supported yet",
                "join within a window, or with a bound on the two times (interval join)",
            ),
            TableFactor::Table { name, args: Some(_), .. }
                if name.to_string().eq_ignore_ascii_case("UNNEST") => {}
            TableFactor::Table { name, args: Some(_), .. } => self.add(
                factor.span(),
                &format!("`{name}` is used as a table function without TABLE(…)"),
                "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
            ),
            TableFactor::Table { sample: Some(_), .. } => {
                self.add(factor.span(), "TABLESAMPLE is not supported", "");
            }
            TableFactor::Function { .. } => self.add(
                factor.span(),
                "table functions of your own (LATERAL TABLE) are not supported yet",
                "for the elements of a list, write CROSS JOIN UNNEST(list) AS t (x)",
            ),
            TableFactor::Derived { lateral: true, .. } => self.add(
                factor.span(),
                "LATERAL subqueries are not supported yet",
                "for the elements of a list, write CROSS JOIN UNNEST(list) AS t (x)",
            ),
            TableFactor::MatchRecognize { .. } => {
                self.add(factor.span(), "MATCH_RECOGNIZE is not supported yet", "");
            }
            TableFactor::UNNEST { with_offset, with_ordinality, .. }
                if *with_offset || *with_ordinality =>
            {
                self.add(factor.span(), "UNNEST WITH ORDINALITY is not supported yet", "");
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. } => {}
            _ => self.add(factor.span(), "this cannot be read from", "name a stream or a view"),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if matches!(factor, TableFactor::TableFunction { .. }) {
            self.table_functions -= 1;
        }
        self.refused -= usize::from(is_refused_call(factor));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::SimilarTo { .. } => self.add(
                expr.span(),
                "SIMILAR TO is not supported yet",
                "write REGEXP(text, 'pattern') or LIKE",
            ),
            Expr::ILike { .. } => {
                self.add(expr.span(), "ILIKE is not Flink SQL", "write LOWER(x) LIKE …");
            }
            Expr::AtTimeZone { .. } => self.add(
                expr.span(),
                "AT TIME ZONE is not supported: times are instants in UTC",
                "write CONVERT_TZ or DATE_FORMAT for a text in another zone",
            ),
            Expr::Cast { kind: CastKind::DoubleColon, .. } => {
                self.add(expr.span(), "`::` is not Flink SQL", "write CAST(x AS type)");
            }
            Expr::Subquery(_) if self.table_functions == 0 => self.add(
                expr.span(),
                "a query as a value is not supported yet",
                "write it as a join, or as IN (SELECT …)",
            ),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                self.add(expr.span(), "ANY and ALL are not supported yet", "write IN or a join");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
