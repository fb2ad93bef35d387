//! A relation not yet made into rows: a node, and what is still to be done to its rows.

use super::converter::Converter;
use super::expression::{
    Columns, Expression, as_column, column, count_uses, identity, is_free, names_column, replace,
    used,
};
use super::graph::{Dealt, Facts, Role, forward};
use super::hoist::{common_calls, with_columns};
use super::operators::appended;
use super::rank::PendingRank;
use crate::sql::{WINDOW_COLUMNS, event_time_type};
use crate::{AssignWindowsNode, NodeId, NodeKind, SqlError, WindowKind};

/// The rows of `base`, of which those that pass `filter` become `columns`. Both are expressions
/// over the columns of `base`, followed by those that `pending` adds.
#[derive(Debug, Clone)]
pub(crate) struct Rel {
    pub(crate) base: NodeId,
    pub(crate) pending: Option<Pending>,
    pub(crate) filter: Vec<Expression>,
    pub(crate) columns: Vec<Expression>,
}

/// What is to be done to the rows of the base before all else.
#[derive(Debug, Clone)]
pub(crate) enum Pending {
    /// Windows are assigned; `window_start`, `window_end`, `window_time` are added.
    Window(PendingWindow),
    /// Rows are numbered and some are kept; the number is added.
    Rank(PendingRank),
}

/// A window function whose rows nobody has read yet. Column numbers are those of the base.
#[derive(Debug, Clone)]
pub(crate) struct PendingWindow {
    pub(crate) window: WindowKind,
    pub(crate) time: usize,
    pub(crate) partition: Vec<usize>,
}

impl Rel {
    /// The first column that `pending` adds.
    pub(crate) fn added(&self, converter: &Converter<'_>) -> usize {
        converter.graph.schema(self.base).fields().len()
    }

    pub(crate) fn window(&self) -> Option<&PendingWindow> {
        match &self.pending {
            Some(Pending::Window(window)) => Some(window),
            _ => None,
        }
    }
}

impl Converter<'_> {
    /// All of a node's rows.
    pub(crate) fn all_of(&self, base: NodeId) -> Rel {
        let columns = identity(self.graph.schema(base));
        Rel { base, pending: None, filter: Vec::new(), columns }
    }

    /// What output column `index` of the relation is to time. The columns of a window not yet
    /// assigned are known to the aggregate only.
    pub(crate) fn role(&self, rel: &Rel, index: usize) -> Role {
        match as_column(&rel.columns[index]) {
            Some(index) if index < rel.added(self) => self.graph.role(rel.base, index),
            _ => Role::Plain,
        }
    }

    /// The relation with `columns` (over its present ones) in place of its columns.
    pub(crate) fn apply(&mut self, rel: Rel, columns: &[Expression]) -> Rel {
        let over = |rel: &Rel, column| replace(column, &rel.columns);
        let (rel, calls) = if rel.pending.is_some() {
            (rel, Vec::new())
        } else {
            let columns = columns.iter().map(|column| over(&rel, column)).collect::<Vec<_>>();
            self.compute_calls(rel, &columns)
        };
        let own = rel.added(self) - calls.len();
        let schema = self.graph.schema(rel.base).clone();
        let mut rel = self.compute_shared(rel, columns);
        let called = |place| column(&schema, own + place);
        let columns = columns.iter().map(|column| over(&rel, column));
        rel.columns = columns.map(|column| with_columns(&column, &calls, called)).collect();
        rel
    }

    /// Computes in a node below the calls that the filter and `columns` (over the base) both make.
    /// They are its last columns; the others stay where they are.
    fn compute_calls(&mut self, mut rel: Rel, columns: &[Expression]) -> (Rel, Vec<Expression>) {
        let filter = all(rel.filter.clone());
        let calls = filter.map_or_else(Vec::new, |filter| common_calls(&filter, columns));
        if calls.is_empty() {
            return (rel, calls);
        }
        let own = rel.added(self);
        let mut computed = identity(self.graph.schema(rel.base));
        computed.extend(calls.iter().cloned());
        rel.base = self.graph.project(rel.base, None, computed, None);
        let schema = self.graph.schema(rel.base);
        for expression in rel.filter.iter_mut().chain(&mut rel.columns) {
            *expression = with_columns(expression, &calls, |place| column(schema, own + place));
        }
        (rel, calls)
    }

    /// Computes in a node below what `readers` (over the relation's columns) would compute twice.
    pub(crate) fn compute_shared(&mut self, rel: Rel, readers: &[Expression]) -> Rel {
        let mut distinct = Columns::default();
        for reader in readers {
            distinct.place(reader.clone());
        }
        let mut uses = vec![0; rel.columns.len()];
        distinct.0.iter().for_each(|reader| count_uses(reader, &mut uses));
        let shared: Vec<bool> = uses.iter().map(|uses| *uses > 1).collect();
        self.compute_below(rel, |index| shared[index])
    }

    /// Computes the wanted columns that are not free in a node below whatever is pending.
    pub(crate) fn compute_below(&mut self, mut rel: Rel, wanted: impl Fn(usize) -> bool) -> Rel {
        let added = rel.added(self);
        let below =
            |expression: &Expression| used(expression).last().is_none_or(|last| *last < added);
        let computed: Vec<usize> = (0..rel.columns.len())
            .filter(|index| wanted(*index) && !is_free(&rel.columns[*index]))
            .filter(|index| below(&rel.columns[*index]))
            .collect();
        if computed.is_empty() {
            return rel;
        }
        let mut columns = Columns(identity(self.graph.schema(rel.base)));
        let places: Vec<usize> =
            computed.iter().map(|index| columns.place(rel.columns[*index].clone())).collect();
        // A rank counts the rows of its base: none may be left out below it.
        let ranked = matches!(rel.pending, Some(Pending::Rank(_)));
        let (first, later): (Vec<_>, Vec<_>) = std::mem::take(&mut rel.filter)
            .into_iter()
            .partition(|filter| !ranked && below(filter));
        let width = columns.0.len();
        let node = self.graph.project(rel.base, all(first), columns.0, None);
        // What the pending window or rank adds comes after the new columns.
        let schema = self.graph.schema(node).clone();
        let mut shift = identity(&schema)[..added].to_vec();
        shift.extend((0..3).map(|n| added_column(&rel, n, width)));
        rel.columns.iter_mut().for_each(|column| *column = replace(column, &shift));
        for (index, place) in computed.iter().zip(places) {
            rel.columns[*index] = column(&schema, place);
        }
        rel.filter = later.iter().map(|filter| replace(filter, &shift)).collect();
        rel.base = node;
        rel
    }

    /// Makes the pending window or rank into a node; filter and columns stay to be done.
    pub(crate) fn settle(&mut self, rel: Rel) -> Result<Rel, SqlError> {
        match rel.pending.clone() {
            None => Ok(rel),
            Some(Pending::Window(window)) => self.assign_windows(rel, &window),
            Some(Pending::Rank(rank)) => self.settle_rank(rel, &rank),
        }
    }

    /// Filter and columns as a node, with nothing left to do. A changelog keeps its key: columns
    /// that the relation lacks come after its own.
    pub(crate) fn rows(&mut self, rel: Rel) -> Result<NodeId, SqlError> {
        let mut rel = self.settle(rel)?;
        let below = &self.graph.draft(rel.base).node;
        let schema = below.schema.clone();
        for key in below.changes.key().unwrap_or_default() {
            if !rel.columns.iter().any(|column| names_column(column, &schema) == Some(*key)) {
                rel.columns.push(column(&schema, *key));
            }
        }
        Ok(self.graph.project(rel.base, all(rel.filter), rel.columns, None))
    }

    /// [`Self::rows`] as a relation of the same columns.
    pub(crate) fn made(&mut self, rel: Rel) -> Result<Rel, SqlError> {
        let width = rel.columns.len();
        let base = self.rows(rel)?;
        let mut made = self.all_of(base);
        made.columns.truncate(width);
        Ok(made)
    }

    fn assign_windows(&mut self, rel: Rel, window: &PendingWindow) -> Result<Rel, SqlError> {
        if matches!(window.window, WindowKind::Session { .. }) {
            return Err(self
                .error("the windows of SESSION are known only once their rows are aggregated")
                .hint("GROUP BY the columns of PARTITION BY, window_start and window_end"));
        }
        self.require_append(rel.base, "a window function")?;
        let added = rel.added(self);
        let (first, later) = rel
            .filter
            .into_iter()
            .partition(|filter: &Expression| used(filter).last().is_none_or(|last| *last < added));
        let columns = identity(self.graph.schema(rel.base));
        let input = self.graph.project(rel.base, all(first), columns, None);
        let below = self.graph.draft(input);
        let types = WINDOW_COLUMNS.iter().map(|name| (name.to_string(), event_time_type()));
        let schema = appended(&below.node.schema, types);
        let id = NodeId(self.graph.drafts.len());
        let mut roles = below.roles.clone();
        roles.extend([Role::WindowStart(id), Role::WindowEnd(id), Role::WindowTime(id)]);
        let dealt: Dealt = below.dealt.clone();
        let facts = Facts { changes: below.node.changes.clone(), roles, dealt };
        let kind =
            NodeKind::AssignWindows(AssignWindowsNode { window: window.window, time: window.time });
        let base = self.graph.add(kind, vec![forward(input)], schema, facts);
        Ok(Rel { base, pending: None, filter: later, columns: rel.columns })
    }
}

/// All of the conditions as one.
pub(crate) fn all(conditions: Vec<Expression>) -> Option<Expression> {
    datafusion::physical_expr::conjunction_opt(conditions)
}

/// Column `n` of those that the pending window or rank adds to `width` columns.
pub(crate) fn added_column(rel: &Rel, n: usize, width: usize) -> Expression {
    let name = match rel.pending {
        Some(Pending::Rank(_)) => "row_number",
        _ => WINDOW_COLUMNS[n],
    };
    std::sync::Arc::new(datafusion::physical_expr::expressions::Column::new(name, width + n))
}
