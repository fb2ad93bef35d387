//! Aggregates: of windows, and of groups without end.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::call::Call;
use super::converter::Converter;
use super::expression::{
    Columns, Expression, as_column, column, identity, renumber, replace, used,
};
use super::graph::{Dealt, Facts, Role};
use super::operators::named;
use super::relation::{Rel, all};
use crate::explain::call_text;
use crate::sql::{WINDOW_COLUMNS, event_time_type};
use crate::{
    AggregateCall, Changes, GroupAggregateNode, Input, NodeId, NodeKind, SqlError,
    WindowAggregateNode, WindowKind, Windows,
};

/// Which of the group expressions are window columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Key,
    Start,
    End,
    Time,
}

impl Converter<'_> {
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Rel, SqlError> {
        let rel = self.relation(&aggregate.input)?;
        let schema = aggregate.input.schema();
        if let Some(Expr::GroupingSet(_)) = aggregate.group_expr.first() {
            return Err(self
                .error_near("group by", "GROUPING SETS, ROLLUP and CUBE are not supported")
                .hint("write one query for each grouping, with UNION ALL"));
        }
        let groups = self.compile_all(&aggregate.group_expr, schema)?;
        let types = aggregate.schema.fields()[groups.len()..].iter();
        let calls = aggregate.aggr_expr.iter().zip(types);
        let calls = calls.map(|(expr, field)| self.call(expr, schema, field.data_type()));
        let calls = calls.collect::<Result<Vec<_>, _>>()?;
        self.grouped(rel, groups, calls)
    }

    /// `SELECT DISTINCT`: groups without aggregates.
    pub(crate) fn distinct(&mut self, input: &LogicalPlan) -> Result<Rel, SqlError> {
        let rel = self.relation(input)?;
        let groups = identity(input.schema().as_arrow());
        self.grouped(rel, groups, Vec::new())
    }

    /// Groups and calls are over the columns of `rel`; they are the columns of the result.
    fn grouped(
        &mut self,
        mut rel: Rel,
        mut groups: Vec<Expression>,
        mut calls: Vec<Call>,
    ) -> Result<Rel, SqlError> {
        if rel.window().is_none() {
            rel = self.settle(rel)?;
        }
        let readers: Vec<Expression> =
            groups.iter().chain(calls.iter().flat_map(reads)).cloned().collect();
        rel = self.compute_shared(rel, &readers);
        if rel.window().is_some() && !self.assigns(&rel, &groups, &calls)? {
            rel = self.settle(rel)?;
        }
        for read in groups.iter_mut().chain(calls.iter_mut().flat_map(reads_mut)) {
            *read = replace(read, &rel.columns);
        }
        let parts = self.parts(&rel, &groups)?;
        if parts.iter().all(|part| *part == Part::Key) {
            self.group_aggregate(rel, &groups, &calls)
        } else {
            self.window_aggregate(&rel, &groups, &parts, &calls)
        }
    }

    /// Whether the aggregate can assign the pending windows: it groups by both of their ends, and
    /// reads their columns nowhere else.
    fn assigns(&self, rel: &Rel, groups: &[Expression], calls: &[Call]) -> Result<bool, SqlError> {
        let added = rel.added(self);
        let is = |group: &Expression, n| as_column(group) == Some(added + n);
        let over = |read: &Expression| replace(read, &rel.columns);
        let groups: Vec<Expression> = groups.iter().map(over).collect();
        let whole = [0, 1].iter().all(|n| groups.iter().any(|group| is(group, *n)));
        let elsewhere = |read: &Expression| used(read).last().is_some_and(|last| *last >= added);
        let computed = groups.iter().any(|group| as_column(group).is_none() && elsewhere(group))
            || calls.iter().flat_map(reads).any(|read| elsewhere(&over(read)))
            || rel.filter.iter().any(|filter| elsewhere(filter) && !reads_only_from(filter, added));
        let session = rel.window().filter(|w| matches!(w.window, WindowKind::Session { .. }));
        if let Some(window) = session {
            if computed {
                return Err(self
                    .error("the windows of SESSION are known only once their rows are aggregated")
                    .hint("read window_start and window_end in GROUP BY and SELECT only"));
            }
            let others = groups.iter().filter(|group| (0..3).all(|n| !is(group, n)));
            let mut others: Vec<Option<usize>> = others.map(as_column).collect();
            let mut partition: Vec<Option<usize>> =
                window.partition.iter().copied().map(Some).collect();
            others.sort_unstable();
            partition.sort_unstable();
            others.dedup();
            partition.dedup();
            if whole && others != partition {
                return Err(self
                    .error_near(
                        "group by",
                        "GROUP BY does not name the columns by which SESSION is partitioned",
                    )
                    .hint("PARTITION BY in SESSION and GROUP BY must have the same columns"));
            }
        }
        Ok(whole && !computed)
    }

    /// What each group expression (over the base and its pending windows) is.
    fn parts(&self, rel: &Rel, groups: &[Expression]) -> Result<Vec<Part>, SqlError> {
        let added = rel.added(self);
        let role = |group: &Expression| match as_column(group) {
            Some(index) if index < added => self.graph.role(rel.base, index),
            // All pending windows are those of the node to come.
            Some(index) => {
                let to_come = NodeId(usize::MAX);
                [Role::WindowStart(to_come), Role::WindowEnd(to_come), Role::WindowTime(to_come)]
                    [index - added]
            }
            None => Role::Plain,
        };
        let roles: Vec<Role> = groups.iter().map(role).collect();
        let windows = roles.iter().find_map(|role| match role {
            Role::WindowStart(id) if roles.contains(&Role::WindowEnd(*id)) => Some(*id),
            _ => None,
        });
        if windows.is_none()
            && let Some(role) =
                roles.iter().find(|role| matches!(role, Role::WindowStart(_) | Role::WindowEnd(_)))
        {
            let (has, lacks) = match role {
                Role::WindowStart(_) => ("window_start", "window_end"),
                _ => ("window_end", "window_start"),
            };
            return Err(self
                .error_near("group by", format!("GROUP BY {has} without {lacks}"))
                .hint(format!("add {lacks} to GROUP BY: together they are the window")));
        }
        let part = |role: &Role| match role {
            Role::WindowStart(id) if Some(*id) == windows => Part::Start,
            Role::WindowEnd(id) if Some(*id) == windows => Part::End,
            Role::WindowTime(id) if Some(*id) == windows => Part::Time,
            _ => Part::Key,
        };
        Ok(roles.iter().map(part).collect())
    }

    fn window_aggregate(
        &mut self,
        rel: &Rel,
        groups: &[Expression],
        parts: &[Part],
        calls: &[Call],
    ) -> Result<Rel, SqlError> {
        self.require_append(rel.base, "an aggregate of windows")?;
        let base = self.graph.schema(rel.base).clone();
        let added = rel.added(self);
        // What is said of the windows alone is as true of the groups.
        let (above, below): (Vec<_>, Vec<_>) =
            rel.filter.iter().cloned().partition(|filter| reads_only_from(filter, added));
        let mut columns = Columns::default();
        let of = |wanted: Part| {
            let at =
                parts.iter().position(|part| *part == wanted).expect("both ends are grouped by");
            groups[at].clone()
        };
        let keys = groups.iter().zip(parts).filter(|(_, part)| **part == Part::Key);
        let places: Vec<usize> = keys.map(|(group, _)| columns.place(group.clone())).collect();
        let keys: Vec<usize> = (0..columns.0.len()).collect();
        let windows = match rel.window() {
            Some(pending) => Windows::Assigned {
                window: pending.window,
                time: columns.place(column(&base, pending.time)),
            },
            None => Windows::Attached {
                start: columns.place(of(Part::Start)),
                end: columns.place(of(Part::End)),
            },
        };
        let calls_placed = place_calls(calls, &mut columns);
        let input = self.graph.project(rel.base, all(below), columns.0, None);
        let aggregates = name_calls(calls_placed, self.graph.schema(input));
        let below = self.graph.schema(input);
        let schema = window_schema(below, &keys, &aggregates);
        let width = keys.len();
        let id = NodeId(self.graph.drafts.len());
        let mut roles = vec![Role::Lost("an aggregate"); width];
        roles.extend([Role::WindowStart(id), Role::WindowEnd(id), Role::WindowTime(id)]);
        roles.resize(schema.fields().len(), Role::Plain);
        let facts = Facts { changes: Changes::Append, roles, dealt: dealt(&keys) };
        let exchange = self.graph.exchange(input, &keys);
        let kind = NodeKind::WindowAggregate(WindowAggregateNode { keys, windows, aggregates });
        let base = self.graph.add(kind, vec![Input { from: input, exchange }], schema, facts);
        let schema = self.graph.schema(base).clone();
        let mut places = places.into_iter();
        let place = |part: &Part| match part {
            Part::Key => places.next().expect("one for each key"),
            Part::Start => width,
            Part::End => width + 1,
            Part::Time => width + 2,
        };
        let mut places: Vec<usize> = parts.iter().map(place).collect();
        places.extend(width + 3..width + 3 + calls.len());
        let columns = places.into_iter().map(|place| column(&schema, place)).collect();
        let over = |filter| renumber(filter, &schema, |index| width + index - added);
        let filter = above.iter().map(over).collect();
        Ok(Rel { base, pending: None, filter, columns })
    }

    fn group_aggregate(
        &mut self,
        rel: Rel,
        groups: &[Expression],
        calls: &[Call],
    ) -> Result<Rel, SqlError> {
        let mut columns = Columns::default();
        let places: Vec<usize> = groups.iter().map(|group| columns.place(group.clone())).collect();
        let keys: Vec<usize> = (0..columns.0.len()).collect();
        let calls_placed = place_calls(calls, &mut columns);
        if columns.0.is_empty() {
            // Rows are counted, but some column must carry them.
            let below = self.graph.draft(rel.base);
            let time = below.roles.iter().position(|role| role.is_time());
            columns.place(column(&below.node.schema, time.unwrap_or(0)));
        }
        let input_changes = !self.graph.draft(rel.base).node.changes.is_append();
        if input_changes {
            self.require_retraction(calls)?;
        }
        // A changelog's key is kept, after the columns that are read here.
        let input = self.rows(Rel { columns: columns.0, ..rel })?;
        if input_changes {
            self.graph.require_before(input);
        }
        let below = self.graph.schema(input).clone();
        let aggregates = name_calls(calls_placed, &below);
        let names: Vec<String> = keys.iter().map(|key| below.field(*key).name().clone()).collect();
        let schema = named(
            keys.iter()
                .map(|key| {
                    (below.field(*key).name().clone(), below.field(*key).data_type().clone())
                })
                .chain(aggregates.iter().map(|call| (call.name.clone(), call.output.clone()))),
        );
        if !self.graph.draft(input).bounded && !names.is_empty() {
            let what = if calls.is_empty() { "DISTINCT" } else { "GROUP BY" };
            self.warn_growth("group by", what, &names);
        }
        let roles = vec![Role::Lost("a GROUP BY without window"); schema.fields().len()];
        let facts = Facts { changes: Changes::Upsert(keys.clone()), roles, dealt: dealt(&keys) };
        let exchange = self.graph.exchange(input, &keys);
        let width = keys.len();
        let kind = NodeKind::GroupAggregate(GroupAggregateNode {
            keys,
            aggregates,
            input_changes,
            emit_before: false,
        });
        let base = self.graph.add(kind, vec![Input { from: input, exchange }], schema, facts);
        let schema = self.graph.schema(base).clone();
        let places = places.into_iter().chain(width..width + calls.len());
        let columns = places.map(|place| column(&schema, place)).collect();
        Ok(Rel { base, pending: None, filter: Vec::new(), columns })
    }

    fn require_retraction(&self, calls: &[Call]) -> Result<(), SqlError> {
        let Some(call) = calls.iter().find(|call| !call.function.retracts()) else { return Ok(()) };
        let name = crate::explain::function_name(&call.function).to_uppercase();
        Err(self
            .error_near(&name, format!("{name} over rows that change is not supported yet"))
            .hint(
                "aggregate below in a window, whose rows are final; COUNT, SUM, AVG, STDDEV and VAR \
                 can take rows back",
            ))
    }

    /// Says that state grows with the values of `keys`.
    pub(crate) fn warn_growth(&mut self, word: &str, what: &str, keys: &[String]) {
        let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let warning = self
            .error_near(
                word,
                format!("{what} without a window keeps every {keys} that was ever seen: its state grows"),
            )
            .hint(
                "put the rows into windows (FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' \
                 HOUR))) and add window_start and window_end to the keys",
            );
        self.warn(warning);
    }
}

/// The columns of a window aggregate: keys, window, results.
fn window_schema(below: &SchemaRef, keys: &[usize], calls: &[AggregateCall]) -> SchemaRef {
    let keys = keys.iter().map(|key| below.field(*key));
    let keys = keys.map(|field| (field.name().clone(), field.data_type().clone()));
    let window = WINDOW_COLUMNS.iter().map(|name| (name.to_string(), event_time_type()));
    let results = calls.iter().map(|call| (call.name.clone(), call.output.clone()));
    named(keys.chain(window).chain(results))
}

/// How the output of an operator is dealt whose first columns are its `keys`.
pub(crate) fn dealt(keys: &[usize]) -> Dealt {
    if keys.is_empty() { Dealt::Single } else { Dealt::By((0..keys.len()).collect()) }
}

/// Whether an expression reads columns, and none before `first`.
pub(crate) fn reads_only_from(expression: &Expression, first: usize) -> bool {
    used(expression).first().is_some_and(|column| *column >= first)
}

fn reads(call: &Call) -> impl Iterator<Item = &Expression> {
    call.args.iter().chain(&call.filter)
}

fn reads_mut(call: &mut Call) -> impl Iterator<Item = &mut Expression> {
    call.args.iter_mut().chain(&mut call.filter)
}

/// The calls over columns that are placed in `columns`; types and names follow.
fn place_calls(calls: &[Call], columns: &mut Columns) -> Vec<AggregateCall> {
    let mut place = |call: &Call| AggregateCall {
        function: call.function.clone(),
        args: call.args.iter().map(|arg| columns.place(arg.clone())).collect(),
        arg_types: Vec::new(),
        distinct: call.distinct,
        filter: call.filter.as_ref().map(|filter| columns.place(filter.clone())),
        output: call.output.clone(),
        name: String::new(),
    };
    calls.iter().map(&mut place).collect()
}

/// Types and names from the input's columns: what the user calls a result does not matter here.
fn name_calls(mut calls: Vec<AggregateCall>, input: &SchemaRef) -> Vec<AggregateCall> {
    let kind = |column: &usize| -> DataType { input.field(*column).data_type().clone() };
    for call in &mut calls {
        call.arg_types = call.args.iter().map(kind).collect();
        call.name = call_text(call, &|column| input.field(column).name().clone());
    }
    calls
}
