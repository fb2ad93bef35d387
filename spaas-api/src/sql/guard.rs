//! What a question may not contain, checked twice: on the syntax tree, and on the plan made of it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{
    Cte, Expr, ObjectName, Query, Select, SetExpr, Spanned, Statement, TableFactor, Value, Visitor,
    visit_relations,
};

use super::error::{Place, SqlError, SqlErrorKind, place};
use super::parse::Tokens;

/// Functions whose result is as big as an argument says: one call could take all memory, and none
/// of it would be counted.
#[rustfmt::skip]
pub(crate) const UNBOUNDED: [&str; 12] = [
    "array_repeat", "array_resize", "gen_series", "generate_series", "list_repeat", "list_resize",
    "lpad", "make_range", "range", "repeat", "rpad", "space",
];

/// Tables one question may read, each as often as it is read. A WITH that names another twice,
/// which names another twice, and so on, doubles the plan with every line.
const MAX_READS: u64 = 128;

/// Walks the syntax tree; breaks with what is refused.
pub(crate) struct Guard<'t> {
    tokens: &'t Tokens,
    relations: Vec<(TableReference, Place)>,
    statements: usize,
    /// How many tables are read where the name of a WITH stands. Scopes are not told apart, which
    /// can only count too much.
    weights: HashMap<String, u64>,
    reads: u64,
}

impl<'t> Guard<'t> {
    pub(crate) fn new(tokens: &'t Tokens) -> Self {
        Self { tokens, relations: Vec::new(), statements: 0, weights: HashMap::new(), reads: 0 }
    }

    /// Where the text first names `reference`.
    pub(crate) fn place_of(&self, reference: &TableReference) -> Option<Place> {
        self.relations.iter().find(|(r, _)| r == reference).map(|(_, at)| *at)
    }

    fn refuse(&self, what: &str, words: &[&str]) -> ControlFlow<SqlError> {
        let at = self.tokens.find(words).unwrap_or((1, 1));
        refuse_at(what, at)
    }

    /// How many tables are read where `name` stands.
    fn weight(&self, name: &ObjectName) -> u64 {
        let bare = match name.0.as_slice() {
            [part] => part.as_ident().map(|ident| ident.value.to_ascii_lowercase()),
            _ => None,
        };
        bare.and_then(|bare| self.weights.get(&bare)).copied().unwrap_or(1)
    }

    fn weigh(&mut self, cte: &Cte) {
        let mut weight = 1_u64;
        let _ = visit_relations(&cte.query, |name| {
            weight = weight.saturating_add(self.weight(name));
            ControlFlow::<()>::Continue(())
        });
        let known = self.weights.entry(cte.alias.name.value.to_ascii_lowercase()).or_default();
        *known = weight.max(*known);
    }

    fn check_body(&self, body: &SetExpr) -> ControlFlow<SqlError> {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {
                ControlFlow::Continue(())
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.check_body(left)?;
                self.check_body(right)
            }
            SetExpr::Insert(_) => self.refuse("INSERT writes", &["INSERT"]),
            SetExpr::Update(_) => self.refuse("UPDATE writes", &["UPDATE"]),
            SetExpr::Delete(_) => self.refuse("DELETE writes", &["DELETE"]),
            SetExpr::Merge(_) => self.refuse("MERGE writes", &["MERGE"]),
            SetExpr::Table(_) => self.refuse("TABLE is not supported", &["TABLE"]),
        }
    }
}

fn refuse_at(what: impl Into<String>, at: Place) -> ControlFlow<SqlError> {
    ControlFlow::Break(
        SqlError::new(SqlErrorKind::Refused, what).hint("questions only read tables").at(at),
    )
}

fn start(node: &impl Spanned) -> Place {
    let start = node.span().start;
    place(start.line, start.column)
}

impl Visitor for Guard<'_> {
    type Break = SqlError;

    fn pre_visit_statement(&mut self, _: &Statement) -> ControlFlow<SqlError> {
        self.statements += 1;
        if self.statements > 1 {
            let words = ["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "COPY", "SET"];
            return self.refuse("a statement within the query is refused", &words);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return self.refuse("recursive queries may not end", &["RECURSIVE"]);
        }
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.weigh(cte);
        }
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return self.refuse("FOR is not supported", &["FOR"]);
        }
        if query.settings.is_some() {
            return self.refuse("SETTINGS is not supported", &["SETTINGS"]);
        }
        if query.format_clause.is_some() {
            return self.refuse("FORMAT is not supported", &["FORMAT"]);
        }
        if !query.pipe_operators.is_empty() {
            return refuse_at("`|>` is not supported", start(query));
        }
        self.check_body(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SqlError> {
        if select.into.is_some() {
            return self.refuse("SELECT INTO writes", &["INTO"]);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<SqlError> {
        if let Ok(reference) = object_name_to_table_reference(name.clone(), true) {
            self.relations.push((reference, start(name)));
        }
        self.reads = self.reads.saturating_add(self.weight(name));
        if self.reads > MAX_READS {
            return ControlFlow::Break(
                SqlError::new(SqlErrorKind::TooLong, format!("reads more than {MAX_READS} tables"))
                    .hint("each use of a WITH counts as all the tables in it")
                    .at(start(name)),
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                refuse_at(format!("`{name}` is a table function"), start(name))
            }
            TableFactor::Table { name, with_hints, version, json_path, sample, .. } => {
                let plain = with_hints.is_empty() && version.is_none() && json_path.is_none();
                if plain && sample.is_none() {
                    return ControlFlow::Continue(());
                }
                refuse_at("versions, hints and samples of tables are not supported", start(name))
            }
            TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            other => refuse_at("this form of table is not supported", start(other)),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::Function(function) => {
                let name = function.name.0.last().and_then(|part| part.as_ident());
                let name = name.map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default();
                if UNBOUNDED.contains(&name.as_str()) {
                    let what = format!("`{name}` can make results of any size");
                    return refuse_at(what, start(&function.name));
                }
            }
            Expr::Value(value) => {
                if let Value::Placeholder(name) = &value.value {
                    let at = place(value.span.start.line, value.span.start.column);
                    return ControlFlow::Break(
                        SqlError::new(SqlErrorKind::Invalid, format!("`{name}` has no value"))
                            .hint("write the value itself")
                            .at(at),
                    );
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Lets through plans made of reading nodes alone. A node kind not named here is refused, so that
/// one added to DataFusion later is refused until somebody has looked at it.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut refused = None;
    let walked = plan.apply_with_subqueries(|node| {
        let reads = matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Repartition(_)
                | LogicalPlan::Union(_)
                | LogicalPlan::TableScan(_)
                | LogicalPlan::EmptyRelation(_)
                | LogicalPlan::Subquery(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::Values(_)
                | LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::Distinct(_)
                | LogicalPlan::Unnest(_)
        );
        if reads {
            return Ok(TreeNodeRecursion::Continue);
        }
        refused = Some(node.display().to_string());
        Ok(TreeNodeRecursion::Stop)
    });
    match (walked, refused) {
        (Ok(_), None) => Ok(()),
        (Err(error), _) => Err(SqlError::internal("the plan could not be checked", &error)),
        (Ok(_), Some(node)) => {
            tracing::warn!(node, "refused a plan that does more than read");
            Err(SqlError::new(SqlErrorKind::Refused, "this does more than read tables"))
        }
    }
}
