//! `ROW_NUMBER()` with a bound: Top-N and de-duplication.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{Expr, Operator, Window, WindowFunctionDefinition};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal};

use super::converter::Converter;
use super::expression::{Columns, Expression, as_column, column, identity, replace, used};
use super::graph::{Dealt, Facts, Role};
use super::operators::appended;
use super::relation::{Pending, Rel, added_column};
use crate::{Changes, DeduplicateNode, Input, NodeId, NodeKind, SortColumn, SqlError, TopNNode};

/// Rows to be numbered, of which those numbered `from..=to` are kept. Columns are the base's.
#[derive(Debug, Clone)]
pub(crate) struct PendingRank {
    partition: Vec<usize>,
    order: Vec<SortColumn>,
    from: u64,
    to: Option<u64>,
    /// Type of the number.
    kind: DataType,
}

impl PendingRank {
    /// Takes over a condition that bounds the number (column `number`); whether it did.
    pub(crate) fn narrow(&mut self, condition: &Expression, number: usize) -> bool {
        let Some(binary) = condition.downcast_ref::<BinaryExpr>() else { return false };
        let is_number = |side: &Expression| bare(side).is_some_and(|index| index == number);
        let (operator, bound) = if is_number(binary.left()) {
            (Some(*binary.op()), whole(binary.right()))
        } else if is_number(binary.right()) {
            (binary.op().swap(), whole(binary.left()))
        } else {
            return false;
        };
        let (Some(operator), Some(bound)) = (operator, bound) else { return false };
        let (from, to) = match operator {
            Operator::LtEq => (0, Some(bound)),
            Operator::Lt => (0, Some(bound - 1)),
            Operator::GtEq => (bound, None),
            Operator::Gt => (bound + 1, None),
            Operator::Eq => (bound, Some(bound)),
            _ => return false,
        };
        self.from = self.from.max(u64::try_from(from).unwrap_or(0));
        if let Some(to) = to {
            let to = u64::try_from(to).unwrap_or(0);
            self.to = Some(self.to.map_or(to, |known| known.min(to)));
        }
        true
    }
}

/// The column under casts.
fn bare(expression: &Expression) -> Option<usize> {
    match expression.downcast_ref::<CastExpr>() {
        Some(cast) => bare(cast.expr()),
        None => as_column(expression),
    }
}

fn whole(expression: &Expression) -> Option<i64> {
    let literal = expression.downcast_ref::<Literal>()?;
    match literal.value().cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(value)) if literal.value().data_type().is_integer() => value,
        _ => None,
    }
}

impl Converter<'_> {
    pub(crate) fn rank(&mut self, window: &Window) -> Result<Rel, SqlError> {
        let function = match window.window_expr.as_slice() {
            [expr] => self.row_number(expr)?,
            _ => return Err(self.no_over("several window functions")),
        };
        let rel = self.relation(&window.input)?;
        let rel = self.settle(rel)?;
        let schema = window.input.schema();
        let partition = self.compile_all(&function.params.partition_by, schema)?;
        let order: Vec<Expr> =
            function.params.order_by.iter().map(|sort: &Sort| sort.expr.clone()).collect();
        let order = self.compile_all(&order, schema)?;
        if order.is_empty() {
            return Err(self
                .error_near("row_number", "ROW_NUMBER() without ORDER BY")
                .hint("say which rows come first: OVER (PARTITION BY … ORDER BY …)"));
        }
        let mut columns = Columns::default();
        let mut place = |expression: &Expression| columns.place(replace(expression, &rel.columns));
        let own = identity(schema.as_arrow());
        let own: Vec<usize> = own.iter().map(&mut place).collect();
        let partition: Vec<usize> = partition.iter().map(&mut place).collect();
        let order =
            order.iter().zip(&function.params.order_by).map(|(expression, sort)| SortColumn {
                column: place(expression),
                descending: !sort.asc,
                nulls_first: sort.nulls_first,
            });
        let order = order.collect();
        let base = self.rows(Rel { columns: columns.0, ..rel })?;
        let schema = self.graph.schema(base);
        let kind = window.schema.fields().last().expect("the number").data_type().clone();
        let rank = PendingRank { partition, order, from: 1, to: None, kind };
        let columns = own.iter().map(|place| column(schema, *place)).collect();
        let width = schema.fields().len();
        let pending = Some(Pending::Rank(rank));
        let mut rel = Rel { base, pending, filter: Vec::new(), columns };
        rel.columns.push(added_column(&rel, 0, width));
        Ok(rel)
    }

    fn row_number<'a>(&self, expr: &'a Expr) -> Result<&'a WindowFunction, SqlError> {
        match expr {
            Expr::Alias(alias) => self.row_number(&alias.expr),
            Expr::WindowFunction(function) => match &function.fun {
                WindowFunctionDefinition::WindowUDF(udf) if udf.name() == "row_number" => {
                    Ok(function)
                }
                other => Err(self.no_over(&format!("{} OVER", other.name().to_uppercase()))),
            },
            other => Err(self.no_over(&format!("`{other}`"))),
        }
    }

    fn no_over(&self, what: &str) -> SqlError {
        self.error_near("over", format!("{what} is not supported")).hint(
            "of OVER there is ROW_NUMBER() in a subquery whose number is bounded: WHERE rn <= 10",
        )
    }

    pub(crate) fn settle_rank(&mut self, rel: Rel, rank: &PendingRank) -> Result<Rel, SqlError> {
        let Some(to) = rank.to else {
            return Err(self
                .error_near("row_number", "ROW_NUMBER() whose number has no upper bound")
                .hint("keep the first rows of each partition: … WHERE rn <= 10"));
        };
        if to < rank.from {
            return Err(self
                .error_near("row_number", "no row number meets the condition")
                .hint("row numbers begin at 1"));
        }
        let window = self.rank_window(rel.base, rank)?;
        let partition = self.without_window(rel.base, rank, window);
        let append = self.graph.draft(rel.base).node.changes.is_append();
        match (window, append) {
            (Some(_), _) => self.require_append(rel.base, "a ranking of windows")?,
            (None, false) => self.graph.require_before(rel.base),
            (None, true) => {}
        }
        let by_time = match rank.order.as_slice() {
            [order] if append && rank.from == 1 && to == 1 => {
                Some(*order).filter(|order| self.graph.role(rel.base, order.column).is_time())
            }
            _ => None,
        };
        let bounded = self.graph.draft(rel.base).bounded;
        if window.is_none() && !bounded && !partition.is_empty() {
            let schema = self.graph.schema(rel.base);
            let names: Vec<String> =
                partition.iter().map(|key| schema.field(*key).name().clone()).collect();
            self.warn_growth("row_number", "ROW_NUMBER()", &names);
        }
        match by_time {
            Some(order) => Ok(self.deduplicate(rel, rank, partition, window, order)),
            None => Ok(self.top_n(rel, rank, to, partition, window)),
        }
    }

    fn deduplicate(
        &mut self,
        mut rel: Rel,
        rank: &PendingRank,
        keys: Vec<usize>,
        window: Option<(usize, usize)>,
        order: SortColumn,
    ) -> Rel {
        let schema = self.graph.schema(rel.base).clone();
        let mut columns = identity(&schema);
        let one =
            ScalarValue::Int64(Some(1)).cast_to(&rank.kind).expect("1 is of every number type");
        columns.push(std::sync::Arc::new(Literal::new(one)));
        // The first row is sent when it is certain, and never replaced.
        let final_rows = window.is_some() || !order.descending;
        let changes = if final_rows { Changes::Append } else { Changes::Upsert(keys.clone()) };
        let mut facts = self.ranked(&rel, changes, window, &keys);
        if final_rows && window.is_none() {
            // It is sent before the watermark passes its time.
            facts.roles[order.column] = Role::Time;
        }
        let exchange = self.graph.exchange(rel.base, &keys);
        let kind = NodeKind::Deduplicate(DeduplicateNode {
            keys,
            time: order.column,
            keep_last: order.descending,
            window,
            emit_before: false,
        });
        rel.base = self.graph.add(kind, vec![Input { from: rel.base, exchange }], schema, facts);
        rel.pending = None;
        rel.columns.iter_mut().for_each(|column| *column = replace(column, &columns));
        rel.filter.iter_mut().for_each(|filter| *filter = replace(filter, &columns));
        rel
    }

    fn top_n(
        &mut self,
        mut rel: Rel,
        rank: &PendingRank,
        to: u64,
        partition: Vec<usize>,
        window: Option<(usize, usize)>,
    ) -> Rel {
        let width = rel.added(self);
        let number = rel.columns.iter().chain(&rel.filter).any(|e| used(e).contains(&width));
        let below = self.graph.schema(rel.base);
        let schema = appended(below, number.then(|| ("row_number".to_owned(), rank.kind.clone())));
        let changes = if window.is_some() {
            Changes::Append
        } else if rank.from == to {
            Changes::Upsert(partition.clone())
        } else if number {
            Changes::Upsert(partition.iter().copied().chain([width]).collect())
        } else {
            let input = &self.graph.draft(rel.base).node.changes;
            Changes::Upsert(input.key().map_or_else(|| (0..width).collect(), <[usize]>::to_vec))
        };
        let mut facts = self.ranked(&rel, changes, window, &partition);
        facts.roles.resize(schema.fields().len(), Role::Plain);
        let exchange = self.graph.exchange(rel.base, &partition);
        let kind = NodeKind::TopN(TopNNode {
            partition,
            order: rank.order.clone(),
            from: rank.from,
            to,
            number,
            window,
            emit_before: false,
        });
        rel.base = self.graph.add(kind, vec![Input { from: rel.base, exchange }], schema, facts);
        rel.pending = None;
        rel
    }

    /// What is known of the rows that a ranking keeps.
    fn ranked(
        &self,
        rel: &Rel,
        changes: Changes,
        window: Option<(usize, usize)>,
        partition: &[usize],
    ) -> Facts {
        let below = self.graph.draft(rel.base);
        let role = |role: &Role| match role {
            Role::Time | Role::WindowTime(_) if window.is_none() => Role::Lost("ROW_NUMBER()"),
            // The rows come when their window closes, after the watermark has passed their time.
            Role::Time => Role::Lost("a ranking of windows"),
            Role::WindowStart(_) | Role::WindowEnd(_) if window.is_none() => Role::Plain,
            other => *other,
        };
        Facts {
            changes,
            roles: below.roles.iter().map(role).collect(),
            dealt: match partition {
                [] => Dealt::Single,
                columns => Dealt::By(columns.to_vec()),
            },
        }
    }

    /// `window_start` and `window_end` among the columns of the partition.
    fn rank_window(
        &self,
        base: NodeId,
        rank: &PendingRank,
    ) -> Result<Option<(usize, usize)>, SqlError> {
        let role = |column: &usize| self.graph.role(base, *column);
        let start = rank.partition.iter().find_map(|start| match role(start) {
            Role::WindowStart(id) => Some((*start, id)),
            _ => None,
        });
        let end = |id: NodeId| {
            rank.partition.iter().copied().find(|column| role(column) == Role::WindowEnd(id))
        };
        let any_end =
            rank.partition.iter().any(|column| matches!(role(column), Role::WindowEnd(_)));
        let lacks = match start {
            Some((start, id)) => match end(id) {
                Some(end) => return Ok(Some((start, end))),
                None => "window_end",
            },
            None if any_end => "window_start",
            None => return Ok(None),
        };
        Err(self
            .error_near("partition by", format!("PARTITION BY a window without its {lacks}"))
            .hint(format!("add {lacks} to PARTITION BY: together they are the window")))
    }

    fn without_window(
        &self,
        base: NodeId,
        rank: &PendingRank,
        window: Option<(usize, usize)>,
    ) -> Vec<usize> {
        let id = window.and_then(|(start, _)| match self.graph.role(base, start) {
            Role::WindowStart(id) => Some(id),
            _ => None,
        });
        let of_window = |column: &usize| match self.graph.role(base, *column) {
            Role::WindowStart(of) | Role::WindowEnd(of) | Role::WindowTime(of) => Some(of) == id,
            _ => false,
        };
        let mut keys: Vec<usize> =
            rank.partition.iter().copied().filter(|column| !of_window(column)).collect();
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(*key));
        keys
    }
}
