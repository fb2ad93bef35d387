//! Joins whose state ends: of windows, and of event times near to each other.

use std::sync::Arc;

use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join, Operator, build_join_schema};
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::split_conjunction;

use super::bounds::{Bounds, bounds, has_months};
use super::converter::Converter;
use super::expression::{Columns, Expression, column, identity, renumber, replace, used};
use super::graph::{Dealt, Facts, Role};
use super::operators::appended;
use super::relation::{Rel, all};
use crate::{
    Changes, Input, IntervalJoinNode, JoinKind, NodeId, NodeKind, SqlError, WindowJoinNode,
};

/// The conditions of a join, sorted. Columns are those of the relations.
#[derive(Default)]
struct Conditions {
    /// Equal expressions, of the left and of the right.
    equal: Vec<(Expression, Expression)>,
    /// Others, over the columns of the left, then of the right.
    rest: Vec<Expression>,
    start: Option<(Role, Expression, Expression)>,
    end: Option<(Role, Expression, Expression)>,
    /// Event times (of the left; of the right, counted after the left) and their distance.
    near: Option<(usize, usize, Bounds)>,
    /// The conditions that `near` was read from and that are no equality.
    nearness: Vec<Expression>,
}

/// One side of a join, made into rows.
struct Side {
    node: NodeId,
    /// Where the columns of the relation are.
    places: Vec<usize>,
    /// Where the sides of the equalities are.
    keys: Vec<usize>,
}

impl Converter<'_> {
    /// `above` is a filter right over an inner join.
    pub(crate) fn join(&mut self, join: &Join, above: Option<&Expr>) -> Result<Rel, SqlError> {
        let (kind, swapped) = self.join_kind(join)?;
        if join.null_equality == NullEquality::NullEqualsNull {
            return Err(self
                .error("a join in which NULL equals NULL (INTERSECT, EXCEPT, IS NOT DISTINCT FROM)")
                .hint("join with =, and replace NULLs by a value: COALESCE(x, …)"));
        }
        let left = self.relation(&join.left)?;
        let left = self.settle(left)?;
        let right = self.relation(&join.right)?;
        let right = self.settle(right)?;
        self.require_append(left.base, "a join")?;
        self.require_append(right.base, "a join")?;
        let mut conditions = self.conditions(join, above, &left, &right)?;
        let (left, right) = if swapped {
            conditions.swap(left.columns.len(), right.columns.len());
            (right, left)
        } else {
            (left, right)
        };
        match (conditions.start.take(), conditions.end.take()) {
            (Some(start), Some(end)) => {
                conditions.rest.append(&mut conditions.nearness);
                Ok(self.window_join(kind, left, right, conditions, start, end))
            }
            (start, end) => {
                let half = match (&start, &end) {
                    (Some(_), None) => Some("window_end"),
                    (None, Some(_)) => Some("window_start"),
                    _ => None,
                };
                conditions.equal.extend(start.into_iter().chain(end).map(|(_, l, r)| (l, r)));
                self.interval_join(kind, left, right, conditions, half)
            }
        }
    }

    /// Which rows are kept, and whether the sides change places.
    fn join_kind(&self, join: &Join) -> Result<(JoinKind, bool), SqlError> {
        Ok(match join.join_type {
            JoinType::Inner => (JoinKind::Inner, false),
            JoinType::Left => (JoinKind::Left, false),
            JoinType::Right => (JoinKind::Right, false),
            JoinType::Full => (JoinKind::Full, false),
            JoinType::LeftSemi => (JoinKind::Semi, false),
            JoinType::LeftAnti => (JoinKind::Anti, false),
            JoinType::RightSemi => (JoinKind::Semi, true),
            JoinType::RightAnti => (JoinKind::Anti, true),
            JoinType::LeftMark | JoinType::RightMark => {
                return Err(self
                    .error("EXISTS or IN (SELECT …) inside OR is not supported")
                    .hint("use it alone in AND, or write a join"));
            }
        })
    }

    fn conditions(
        &self,
        join: &Join,
        above: Option<&Expr>,
        left: &Rel,
        right: &Rel,
    ) -> Result<Conditions, SqlError> {
        let schema = build_join_schema(join.left.schema(), join.right.schema(), &JoinType::Inner)
            .map_err(|error| self.failed(&error))?;
        let width = join.left.schema().fields().len();
        let mut all = Vec::new();
        for (a, b) in &join.on {
            let a = self.compile(a, join.left.schema())?;
            let b = self.compile(b, join.right.schema())?;
            let b = renumber(&b, schema.as_arrow(), |index| width + index);
            all.push(Arc::new(BinaryExpr::new(a, Operator::Eq, b)) as Expression);
        }
        for expr in join.filter.iter().chain(above) {
            let compiled = self.compile(expr, &schema)?;
            all.extend(split_conjunction(&compiled).into_iter().cloned());
        }
        let time = |index: usize| match index.checked_sub(width) {
            None => self.role(left, index).is_time(),
            Some(index) => self.role(right, index).is_time(),
        };
        let mut sorted = Conditions::default();
        for condition in all {
            let near = bounds(&condition, width, &time);
            let near = sorted.take_bounds(near);
            match sides(&condition, width, join.right.schema().as_arrow()) {
                Some((a, b)) => self.equality(&mut sorted, left, right, a, b),
                None if near => sorted.nearness.push(condition),
                None => sorted.rest.push(condition),
            }
        }
        Ok(sorted)
    }

    fn equality(
        &self,
        sorted: &mut Conditions,
        left: &Rel,
        right: &Rel,
        a: Expression,
        b: Expression,
    ) {
        let role = |rel: &Rel, side: &Expression| {
            super::expression::as_column(side).map_or(Role::Plain, |index| self.role(rel, index))
        };
        let of = role(left, &a);
        match (of, role(right, &b)) {
            (Role::WindowStart(_), Role::WindowStart(_)) if sorted.start.is_none() => {
                sorted.start = Some((of, a, b));
            }
            (Role::WindowEnd(_), Role::WindowEnd(_)) if sorted.end.is_none() => {
                sorted.end = Some((of, a, b));
            }
            _ => sorted.equal.push((a, b)),
        }
    }

    fn window_join(
        &mut self,
        kind: JoinKind,
        left: Rel,
        right: Rel,
        conditions: Conditions,
        start: (Role, Expression, Expression),
        end: (Role, Expression, Expression),
    ) -> Rel {
        let (mut left_keys, mut right_keys): (Vec<_>, Vec<_>) =
            conditions.equal.into_iter().unzip();
        left_keys.extend([start.1, end.1]);
        right_keys.extend([start.2, end.2]);
        let mut left = self.side(left, &left_keys);
        let mut right = self.side(right, &right_keys);
        let window = |side: &mut Side| {
            let end = side.keys.pop().expect("the end was added");
            (side.keys.pop().expect("the start was added"), end)
        };
        let (left_window, right_window) = (window(&mut left), window(&mut right));
        let filter = self.join_filter(&left, &right, &conditions.rest);
        let on: Vec<_> = left.keys.iter().copied().zip(right.keys.iter().copied()).collect();
        let node = WindowJoinNode { kind, on, left_window, right_window, filter };
        let [left_id, right_id] =
            [(&left, left_window.0), (&right, right_window.0)].map(|(s, c)| {
                match self.graph.role(s.node, c) {
                    Role::WindowStart(id) => id,
                    _ => unreachable!("conditions sorted by role"),
                }
            });
        let after = |role: Role, kept: bool| match role {
            _ if !kept => Role::Plain,
            Role::Time => Role::Lost("a window join"),
            // Equal windows are one, whichever side tells of them.
            Role::WindowStart(id) if id == right_id => Role::WindowStart(left_id),
            Role::WindowEnd(id) if id == right_id => Role::WindowEnd(left_id),
            Role::WindowTime(id) if id == right_id => Role::WindowTime(left_id),
            other => other,
        };
        self.joined(kind, &left, &right, NodeKind::WindowJoin(node), after)
    }

    fn interval_join(
        &mut self,
        kind: JoinKind,
        left: Rel,
        right: Rel,
        conditions: Conditions,
        lacks: Option<&str>,
    ) -> Result<Rel, SqlError> {
        let Some((left_time, right_time, Bounds { lower: Some(lower_us), upper: Some(upper_us) })) =
            conditions.near
        else {
            return Err(self.unbounded_join(&conditions, lacks));
        };
        if lower_us > upper_us {
            return Err(self
                .error_near("join", "no two times meet the bounds of the join")
                .hint("the lower bound must not be above the upper bound"));
        }
        if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            return Err(self
                .error("EXISTS, IN and their opposites over an interval of time are not supported")
                .hint("join, and remove doubles with ROW_NUMBER()"));
        }
        let width = left.columns.len();
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = conditions.equal.into_iter().unzip();
        let left = self.side(left, &left_keys);
        let right = self.side(right, &right_keys);
        let filter = self.join_filter(&left, &right, &conditions.rest);
        let node = IntervalJoinNode {
            kind,
            on: left.keys.iter().copied().zip(right.keys.iter().copied()).collect(),
            left_time: left.places[left_time],
            right_time: right.places[right_time - width],
            lower_us,
            upper_us,
            filter,
        };
        let after = |role: Role, kept: bool| match role {
            Role::Time | Role::WindowTime(_) if kept => Role::Time,
            Role::Time | Role::WindowTime(_) => Role::Lost("an outer join"),
            Role::Lost(by) => Role::Lost(by),
            _ => Role::Plain,
        };
        Ok(self.joined(kind, &left, &right, NodeKind::IntervalJoin(node), after))
    }

    fn unbounded_join(&self, conditions: &Conditions, lacks: Option<&str>) -> SqlError {
        let error = |message: &str| self.error_near("join", message);
        match (lacks, conditions.near) {
            (Some(lacks), _) => error(&format!("a join of windows that does not compare {lacks}"))
                .hint(format!("add `AND a.{lacks} = b.{lacks}`: together they are the window")),
            _ if conditions.rest.iter().any(has_months) => {
                error("a bound in months has no fixed length").hint("write it in days: INTERVAL '30' DAY")
            }
            (None, Some((_, _, bounds))) => {
                let which = if bounds.lower.is_none() { "early" } else { "late" };
                error(&format!(
                    "the join bounds its times on one side only: it would keep every row, however {which}"
                ))
                .hint("bound both sides: a.ts BETWEEN b.ts - INTERVAL '10' MINUTE AND b.ts")
            }
            (None, None) => error("a join without windows keeps every row of both streams for ever")
                .hint(
                    "bound it in time: AND a.ts BETWEEN b.ts - INTERVAL '10' MINUTE AND b.ts; or join \
                     windows: ON … AND a.window_start = b.window_start AND a.window_end = b.window_end",
                ),
        }
    }

    /// The rows of a side: its columns, and the sides of the equalities.
    fn side(&mut self, rel: Rel, keys: &[Expression]) -> Side {
        let rel = self.compute_shared(rel, keys);
        let mut columns = Columns::default();
        let places = rel.columns.iter().map(|column| columns.place(column.clone())).collect();
        let keys = keys.iter().map(|key| columns.place(replace(key, &rel.columns))).collect();
        let node = self.graph.project(rel.base, all(rel.filter), columns.0, None);
        Side { node, places, keys }
    }

    fn join_filter(&self, left: &Side, right: &Side, rest: &[Expression]) -> Option<Expression> {
        let (l, r) = (self.graph.schema(left.node), self.graph.schema(right.node));
        let others = r.fields().iter().map(|f| (f.name().clone(), f.data_type().clone()));
        let schema = appended(l, others);
        let (width, offset) = (left.places.len(), l.fields().len());
        let place = |index: usize| match index.checked_sub(width) {
            None => left.places[index],
            Some(index) => offset + right.places[index],
        };
        all(rest.iter().map(|condition| renumber(condition, &schema, place)).collect())
    }

    fn joined(
        &mut self,
        kind: JoinKind,
        left: &Side,
        right: &Side,
        node: NodeKind,
        after: impl Fn(Role, bool) -> Role,
    ) -> Rel {
        let one_sided = matches!(kind, JoinKind::Semi | JoinKind::Anti);
        let (l, r) = (self.graph.draft(left.node), self.graph.draft(right.node));
        let others = r.node.schema.fields().iter().filter(|_| !one_sided);
        let others = others.map(|field| (field.name().clone(), field.data_type().clone()));
        let schema = appended(&l.node.schema, others);
        let keeps_left = !matches!(kind, JoinKind::Right | JoinKind::Full);
        let keeps_right = matches!(kind, JoinKind::Inner | JoinKind::Right);
        let mut roles: Vec<Role> = l.roles.iter().map(|role| after(*role, keeps_left)).collect();
        roles.extend(r.roles.iter().map(|role| after(*role, keeps_right)));
        roles.truncate(schema.fields().len());
        let offset = l.roles.len();
        let dealt = match kind {
            _ if left.keys.is_empty() => Dealt::Single,
            JoinKind::Full => Dealt::Anyhow,
            JoinKind::Right => Dealt::By(right.keys.iter().map(|key| offset + key).collect()),
            _ => Dealt::By(left.keys.clone()),
        };
        let input = |side: &Side| Input {
            from: side.node,
            exchange: self.graph.exchange(side.node, &side.keys),
        };
        let inputs = vec![input(left), input(right)];
        let facts = Facts { changes: Changes::Append, roles, dealt };
        let base = self.graph.add(node, inputs, schema, facts);
        let schema = self.graph.schema(base);
        let mut columns: Vec<Expression> =
            left.places.iter().map(|place| column(schema, *place)).collect();
        if !one_sided {
            columns.extend(right.places.iter().map(|place| column(schema, offset + place)));
        }
        Rel { base, pending: None, filter: Vec::new(), columns }
    }
}

impl Conditions {
    /// Takes bounds over, unless they are on other times than those known; whether it did.
    fn take_bounds(&mut self, found: Option<(usize, usize, Bounds)>) -> bool {
        match (found, &mut self.near) {
            (None, _) => false,
            (found, none @ None) => {
                *none = found;
                true
            }
            (Some((l, r, more)), Some((left, right, known))) => {
                let same = (l, r) == (*left, *right);
                if same {
                    *known = known.and(more);
                }
                same
            }
        }
    }

    /// The same conditions with the sides in each other's place.
    fn swap(&mut self, left: usize, right: usize) {
        self.equal.iter_mut().for_each(|(a, b)| std::mem::swap(a, b));
        for (_, a, b) in self.start.iter_mut().chain(&mut self.end) {
            std::mem::swap(a, b);
        }
        let place = |index: usize| if index < left { right + index } else { index - left };
        let fields =
            (0..left + right).map(|index| (format!("{index}"), arrow::datatypes::DataType::Null));
        let schema = super::operators::named(fields);
        for rest in self.rest.iter_mut().chain(&mut self.nearness) {
            *rest = renumber(rest, &schema, place);
        }
        if let Some((a, b, bounds)) = &mut self.near {
            (*a, *b) = (place(*b), place(*a));
            let turned = |bound: Option<i64>| bound.map(|micros| -micros);
            *bounds = Bounds { lower: turned(bounds.upper), upper: turned(bounds.lower) };
        }
    }
}

/// The two sides of an equality of something of the left with something of the right.
fn sides(
    condition: &Expression,
    width: usize,
    right: &arrow::datatypes::Schema,
) -> Option<(Expression, Expression)> {
    let binary = condition.downcast_ref::<BinaryExpr>().filter(|b| *b.op() == Operator::Eq)?;
    let side = |expression: &Expression| {
        let reads = used(expression);
        match (reads.first(), reads.last()) {
            (_, Some(last)) if *last < width => Some(false),
            (Some(first), _) if *first >= width => Some(true),
            _ => None,
        }
    };
    let (a, b) = match (side(binary.left())?, side(binary.right())?) {
        (false, true) => (binary.left(), binary.right()),
        (true, false) => (binary.right(), binary.left()),
        _ => return None,
    };
    let own = identity(right);
    let shifted = renumber_from(b, width, &own);
    Some((a.clone(), shifted))
}

/// Column `offset + i` replaced by `columns[i]`.
fn renumber_from(expression: &Expression, offset: usize, columns: &[Expression]) -> Expression {
    let mut all: Vec<Expression> = (0..offset).map(|_| columns[0].clone()).collect();
    all.extend_from_slice(columns);
    replace(expression, &all)
}
