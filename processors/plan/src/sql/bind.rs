//! Binds a job statement by statement, and collects every mistake of independent statements.

use std::ops::Range;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::{Ident, Query, Spanned, Statement as Ast};

use crate::{Catalog, SqlError};

use super::bound::{BoundInsert, BoundJob};
use super::context::Context;
use super::optimize::{analyze, optimize};
use super::statements::{Statement, parse, split};
use super::suggest::did_you_mean;
use super::text::SourceText;
use super::{average, failure, refuse, rewrite, sink, type_check, unnest};

/// Resolves every name and type of a job's text.
pub(crate) fn bind(sql: &str, catalog: &Catalog) -> Result<BoundJob, Vec<SqlError>> {
    let text = SourceText::new(sql);
    let pieces = split(&text).map_err(|error| vec![error])?;
    let mut binder =
        Binder { text: &text, catalog, context: Context::new(catalog), errors: Vec::new() };
    let mut inserts = Vec::new();
    for piece in &pieces {
        match parse(piece, &text) {
            Ok(Statement::View { name, columns, query }) => binder.view(&name, &columns, *query),
            Ok(Statement::Insert { sink, columns, query }) => {
                let plan = binder.insert(&sink, &columns, &query);
                let insert =
                    |plan| BoundInsert { sink: sink.value, plan, span: piece.span.clone() };
                inserts.extend(plan.map(insert));
            }
            Err(error) => binder.errors.push(error),
        }
    }
    if !binder.errors.is_empty() {
        return Err(binder.errors);
    }
    if inserts.is_empty() {
        let error = text.error(0..1, "the job writes nothing");
        return Err(vec![error.hint("write INSERT INTO sink SELECT …")]);
    }
    Ok(BoundJob { text: sql.to_owned(), inserts })
}

struct Binder<'a> {
    text: &'a SourceText<'a>,
    catalog: &'a Catalog,
    context: Context,
    errors: Vec<SqlError>,
}

impl Binder<'_> {
    fn view(&mut self, name: &Ident, columns: &[Ident], query: Query) {
        if self.context.has_table(&name.value) {
            let message = format!("there is already a table or view `{}`", name.value);
            self.errors.push(self.text.error_at(name.span, message).hint("choose another name"));
            return;
        }
        let at = self.text.range(name.span);
        let plan = self.query(query).and_then(|plan| {
            rename(plan, columns).map_err(|error| self.explain(&error, &at).into_iter().collect())
        });
        match plan {
            Ok(plan) => self.context.add_view(name.value.clone(), plan),
            Err(errors) => {
                self.errors.extend(errors);
                self.context.add_broken_view(name.value.clone());
            }
        }
    }

    fn insert(&mut self, name: &Ident, columns: &[Ident], query: &Query) -> Option<LogicalPlan> {
        let sink = self.catalog.sink_def(&name.value);
        if sink.is_none() {
            self.errors.push(self.unknown_sink(name));
        }
        let plan = self.query(query.clone()).and_then(|plan| {
            let Some(def) = &sink else { return Ok(None) };
            let target = sink::Target { name, def, columns, query };
            let plan = sink::fit(plan, &target, self.text, &self.context)?;
            let at = self.text.range(query.span());
            optimize(plan)
                .map(Some)
                .map_err(|error| self.explain(&error, &at).into_iter().collect())
        });
        match plan {
            Ok(plan) => plan,
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    fn unknown_sink(&self, name: &Ident) -> SqlError {
        let error = self.text.error_at(name.span, format!("there is no sink `{}`", name.value));
        let names = self.catalog.sinks.keys().map(String::as_str);
        match did_you_mean(&name.value, names.clone()) {
            Some(known) => error.hint(format!("did you mean `{known}`?")),
            None if self.context.has_table(&name.value) => {
                error.hint("it can be read, but not written")
            }
            None => {
                let names: Vec<&str> = names.collect();
                error.hint(format!("the sinks are {}", names.join(", ")))
            }
        }
    }

    /// The plan of a query, checked and type-coerced.
    fn query(&self, mut query: Query) -> Result<LogicalPlan, Vec<SqlError>> {
        let refused = refuse::refuse(&query, self.text, self.context.functions());
        if !refused.is_empty() {
            return Err(refused);
        }
        let at = self.text.range(query.span());
        rewrite::rewrite(&mut query);
        let planner = SqlToRel::new(&self.context);
        let plan = planner
            .sql_statement_to_plan(Ast::Query(Box::new(query)))
            .and_then(unnest::rewrite)
            .and_then(average::rewrite)
            .map_err(|error| self.explain(&error, &at).into_iter().collect::<Vec<_>>())?;
        type_check::check(&plan, self.text, &at).map_err(|error| vec![error])?;
        analyze(plan).map_err(|error| self.explain(&error, &at).into_iter().collect())
    }

    fn explain(&self, error: &DataFusionError, at: &Range<usize>) -> Option<SqlError> {
        failure::explain(error, self.text, &self.context, at)
    }
}

/// Gives the columns of a view the names of its definition.
fn rename(plan: LogicalPlan, names: &[Ident]) -> datafusion::common::Result<LogicalPlan> {
    if names.is_empty() {
        return Ok(plan);
    }
    let columns = plan.schema().columns();
    if columns.len() != names.len() {
        return datafusion::common::plan_err!(
            "the view names {} columns, but its query has {}",
            names.len(),
            columns.len()
        );
    }
    let renamed = columns.into_iter().zip(names);
    let exprs: Vec<Expr> =
        renamed.map(|(column, name)| Expr::Column(column).alias(&name.value)).collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}
