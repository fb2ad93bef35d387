//! The relation that a logical plan describes, node by node.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, NullHandling};
use datafusion::logical_expr::{
    Distinct, Expr, Extension, Filter, JoinType, LogicalPlan, TableScan, Union, Unnest,
};
use datafusion::physical_expr::split_conjunction;

use super::aggregate::reads_only_from;
use super::converter::Converter;
use super::expression::{Expression, as_column, column, replace, text, used};
use super::graph::{Dealt, Facts, Role, forward};
use super::operators::named;
use super::relation::{Pending, PendingWindow, Rel, all};
use crate::sql::{WindowTvf, flink_name};
use crate::{Changes, NodeId, NodeKind, SourceNode, SqlError, UnnestNode, Watermark, WindowKind};

impl Converter<'_> {
    pub(crate) fn relation(&mut self, plan: &LogicalPlan) -> Result<Rel, SqlError> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => {
                let rel = self.relation(&projection.input)?;
                let columns = self.compile_all(&projection.expr, projection.input.schema())?;
                Ok(self.apply(rel, &columns))
            }
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.relation(&alias.input),
            LogicalPlan::Subquery(subquery) => self.relation(&subquery.subquery),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input),
            LogicalPlan::Window(window) => self.rank(window),
            LogicalPlan::Join(join) => self.join(join, None),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Extension(extension) => self.window_function(extension),
            other => Err(self.refuse(other)),
        }
    }

    fn refuse(&self, plan: &LogicalPlan) -> SqlError {
        match plan {
            LogicalPlan::Sort(_) => self
                .error_near("order by", "a stream has no end, so it cannot be sorted")
                .hint(
                    "leave ORDER BY out, or rank: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) in \
                     a subquery, filtered by its number",
                ),
            LogicalPlan::Limit(_) => self
                .error_near("limit", "LIMIT of a stream is not supported")
                .hint(
                    "keep the first rows of a rank: SELECT … FROM (SELECT *, ROW_NUMBER() OVER \
                     (ORDER BY …) AS rn FROM …) WHERE rn <= 10",
                ),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => self
                .error("the query reads no stream: its rows are constants, or its filter is never true")
                .hint("name a stream in FROM, or correct the condition that is always false"),
            LogicalPlan::Distinct(_) => self
                .error_near("distinct on", "DISTINCT ON is not supported")
                .hint("use ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) filtered by rn = 1"),
            LogicalPlan::RecursiveQuery(_) => {
                self.error_near("recursive", "WITH RECURSIVE is not supported").hint("unroll it")
            }
            other => {
                let shown = other.display().to_string();
                let name = shown.split([':', ' ']).next().unwrap_or_default();
                self.error(format!("{name} is not supported in a streaming job"))
                    .hint("write INSERT INTO sink SELECT …")
            }
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Rel, SqlError> {
        let name = scan.table_name.table();
        let Some(def) = self.catalog.sources.get(name) else {
            return Err(self
                .error_near(name, format!("`{name}` is not a stream or table that can be read"))
                .hint("add it to the catalog"));
        };
        let mut roles = vec![Role::Plain; def.schema.fields().len()];
        let mut watermark = None;
        if let Some(time) = &def.event_time {
            let column = def.schema.index_of(&time.column).map_err(|_| {
                self.error_near(
                    name,
                    format!("the event time `{}` of `{name}` is none of its columns", time.column),
                )
                .hint("name a timestamp column as event time")
            })?;
            roles[column] = Role::Time;
            watermark = Some(Watermark { column, delay: time.delay, idle: time.idle });
        }
        let kind = NodeKind::Source(SourceNode {
            name: name.to_owned(),
            columns: (0..roles.len()).collect(),
            watermark,
        });
        let facts = Facts { changes: Changes::Append, roles, dealt: Dealt::Anyhow };
        let base = self.graph.add(kind, Vec::new(), def.schema.clone(), facts);
        self.graph.drafts[base.0].bounded = def.bounded;
        let mut rel = self.all_of(base);
        if !scan.filters.is_empty() {
            let schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &def.schema)
                .map_err(|error| self.failed(&error))?;
            for filter in self.compile_all(&scan.filters, &schema)? {
                rel = self.restrict(rel, &filter)?;
            }
        }
        if let Some(columns) = &scan.projection {
            rel.columns = columns.iter().map(|index| column(&def.schema, *index)).collect();
        }
        if scan.fetch.is_some() {
            return Err(self.error_near("limit", "LIMIT of a stream is not supported"));
        }
        Ok(rel)
    }

    fn filter(&mut self, filter: &Filter) -> Result<Rel, SqlError> {
        // What WHERE says of both sides of a join is part of the join.
        if let LogicalPlan::Join(join) = filter.input.as_ref()
            && join.join_type == JoinType::Inner
        {
            return self.join(join, Some(&filter.predicate));
        }
        let rel = self.relation(&filter.input)?;
        let predicate = self.compile(&filter.predicate, filter.input.schema())?;
        self.restrict(rel, &predicate)
    }

    /// The rows of `rel` for which `predicate`, over its columns, is true.
    pub(crate) fn restrict(&mut self, rel: Rel, predicate: &Expression) -> Result<Rel, SqlError> {
        let reads = used(predicate);
        let mut rel = self.compute_below(rel, |index| reads.contains(&index));
        for condition in split_conjunction(predicate) {
            let condition = replace(condition, &rel.columns);
            if let Some(Pending::Rank(rank)) = &mut rel.pending
                && rank.narrow(&condition, self.graph.schema(rel.base).fields().len())
            {
                continue;
            }
            self.check_session_filter(&rel, &condition)?;
            if !rel.filter.iter().any(|known| known.eq(&condition)) {
                rel.filter.push(condition);
            }
        }
        Ok(rel)
    }

    /// Leaving rows out changes where sessions begin and end; only whole sessions' keys may go.
    fn check_session_filter(&self, rel: &Rel, condition: &Expression) -> Result<(), SqlError> {
        match rel.window() {
            Some(PendingWindow { window: WindowKind::Session { .. }, partition, .. })
                if !used(condition).iter().all(|column| partition.contains(column))
                    && !reads_only_from(condition, rel.added(self)) =>
            {
                Err(self
                    .error_near(
                        "where",
                        "a filter over the rows of SESSION would change its sessions",
                    )
                    .hint(
                        "filter before: SESSION(TABLE v …) where v is a view with the WHERE; or \
                         after: HAVING",
                    ))
            }
            _ => Ok(()),
        }
    }

    fn window_function(&mut self, extension: &Extension) -> Result<Rel, SqlError> {
        let Some(tvf) = extension.node.as_any().downcast_ref::<WindowTvf>() else {
            let name = extension.node.name();
            return Err(self.error(format!("{name} is not supported in a streaming job")));
        };
        let rel = self.relation(&tvf.input)?;
        let schema = tvf.input.schema();
        let time = self.compile(&Expr::Column(tvf.time_column.clone()), schema)?;
        let partition = tvf
            .partition_by
            .iter()
            .map(|column| self.compile(&Expr::Column(column.clone()), schema));
        let partition = partition.collect::<Result<Vec<_>, _>>()?;
        let mut rel = self.settle(rel)?;
        let at = as_column(&time).expect("a column of the input");
        self.require_time(&rel, at, &tvf.time_column.name)?;
        if let Some(reads) = partition.iter().map(used).reduce(|a, b| &a | &b) {
            rel = self.compute_below(rel, |index| reads.contains(&index));
        }
        let place = |expression: &Expression| as_column(&replace(expression, &rel.columns));
        if !partition.iter().all(|expression| place(expression).is_some()) {
            return Err(self
                .error_near("partition by", "SESSION by a constant")
                .hint("leave it out"));
        }
        let window = PendingWindow {
            window: tvf.window,
            time: place(&time).expect("event times are columns"),
            partition: partition.iter().filter_map(place).collect(),
        };
        let added = rel.added(self);
        rel.pending = Some(Pending::Window(window));
        let columns = (0..3).map(|n| super::relation::added_column(&rel, n, added));
        rel.columns.extend(columns.collect::<Vec<_>>());
        Ok(rel)
    }

    /// Refuses windows and bounds over a column that no watermark speaks of.
    pub(crate) fn require_time(
        &self,
        rel: &Rel,
        column: usize,
        name: &str,
    ) -> Result<(), SqlError> {
        let error = match self.role(rel, column) {
            role if role.is_time() => return Ok(()),
            Role::Lost(by) => self
                .error_near(name, format!("`{name}` is no event time any more after {by}"))
                .hint("use window_time, the event time of the rows of a window, instead"),
            _ => match &self.graph.draft(rel.base).node.kind {
                NodeKind::Source(SourceNode { name: source, watermark: None, .. }) => self
                    .error_near(
                        name,
                        format!("`{source}` has no event time, so windows over it never close"),
                    )
                    .hint(format!(
                        "declare `{name}` as the event time of the stream `{source}`, with the \
                         delay of its watermark"
                    )),
                _ => self.error_near(name, format!("`{name}` is not an event time")).hint(
                    "use the event-time column of a stream as it is, not computed from others",
                ),
            },
        };
        Err(error)
    }

    fn union(&mut self, union: &Union) -> Result<Rel, SqlError> {
        let mut names = None;
        let mut nodes: Vec<NodeId> = Vec::new();
        for input in &union.inputs {
            let rel = self.relation(input)?;
            let rel = self.settle(rel)?;
            self.require_append(rel.base, "UNION ALL")?;
            let names =
                names.get_or_insert_with(|| rel.columns.iter().map(text).collect::<Vec<_>>());
            let renamed = Some(names.clone());
            nodes.push(self.graph.project(rel.base, all(rel.filter), rel.columns, renamed));
        }
        let schema = self.graph.schema(nodes[0]).clone();
        if let Some(other) =
            nodes.iter().find(|node| **node != nodes[0] && *self.graph.schema(**node) != schema)
        {
            let other = self.graph.schema(*other);
            let differs = schema.fields().iter().zip(other.fields()).find(|(a, b)| a != b);
            let (a, b) = differs.expect("schemas of one length that differ do so in a column");
            return Err(self
                .error_near(
                    "union",
                    format!(
                        "UNION ALL of {} and {} in `{}`",
                        flink_name(a.data_type()),
                        flink_name(b.data_type()),
                        a.name()
                    ),
                )
                .hint("CAST one of them"));
        }
        let id = NodeId(self.graph.drafts.len());
        let roles = (0..schema.fields().len())
            .map(|column| {
                let roles: Vec<Role> =
                    nodes.iter().map(|node| self.graph.role(*node, column)).collect();
                common_role(&roles, id)
            })
            .collect();
        let dealt = self.graph.draft(nodes[0]).dealt.clone();
        let alike = nodes.iter().all(|node| self.graph.draft(*node).dealt == dealt);
        let facts = Facts {
            changes: Changes::Append,
            roles,
            dealt: if alike { dealt } else { Dealt::Anyhow },
        };
        let inputs = nodes.into_iter().map(forward).collect();
        let base = self.graph.add(NodeKind::Union, inputs, schema, facts);
        Ok(self.all_of(base))
    }

    fn unnest(&mut self, unnest: &Unnest) -> Result<Rel, SqlError> {
        let rel = self.relation(&unnest.input)?;
        if !unnest.struct_type_columns.is_empty()
            || unnest.list_type_columns.iter().any(|(_, list)| list.depth != 1)
        {
            return Err(self
                .error_near("unnest", "UNNEST of a row, or of lists in lists, is not supported")
                .hint("unnest one list at a time, and read the fields of a row by name"));
        }
        let rel = self.made(rel)?;
        let append = self.graph.draft(rel.base).node.changes.is_append();
        if !append {
            // A row that is replaced takes its elements with it: they must be known.
            self.graph.require_before(rel.base);
        }
        let mut lists: Vec<usize> =
            unnest.list_type_columns.iter().map(|(list, _)| *list).collect();
        lists.sort_unstable();
        let below = self.graph.draft(rel.base);
        let fields = below.node.schema.fields().iter().enumerate().map(|(index, field)| {
            let kind = match field.data_type() {
                DataType::List(item)
                | DataType::LargeList(item)
                | DataType::ListView(item)
                | DataType::LargeListView(item)
                | DataType::FixedSizeList(item, _)
                    if lists.contains(&index) =>
                {
                    item.data_type().clone()
                }
                other => other.clone(),
            };
            (field.name().clone(), kind)
        });
        let schema = named(fields.collect::<Vec<_>>());
        let mut roles = below.roles.clone();
        for list in &lists {
            roles[*list] = Role::Plain;
        }
        let dealt = match &below.dealt {
            Dealt::By(by) if by.iter().any(|column| lists.contains(column)) => Dealt::Anyhow,
            other => other.clone(),
        };
        // Nothing but all of it tells one element of a list from another.
        let every = (0..schema.fields().len()).collect();
        let changes = if append { Changes::Append } else { Changes::Retract(every) };
        let facts = Facts { changes, roles, dealt };
        let keep_empty = unnest.options.null_handling == NullHandling::PreserveAndExpandEmpty;
        let kind = NodeKind::Unnest(UnnestNode { lists, keep_empty });
        let base = self.graph.add(kind, vec![forward(rel.base)], schema, facts);
        Ok(self.all_of(base))
    }
}

/// What a column of a union is to time.
fn common_role(roles: &[Role], union: NodeId) -> Role {
    let every = |test: fn(&Role) -> bool| roles.iter().all(test);
    if every(|role| matches!(role, Role::WindowStart(_))) {
        Role::WindowStart(union)
    } else if every(|role| matches!(role, Role::WindowEnd(_))) {
        Role::WindowEnd(union)
    } else if every(|role| matches!(role, Role::WindowTime(_))) {
        Role::WindowTime(union)
    } else if every(|role| role.is_time()) {
        Role::Time
    } else {
        Role::Plain
    }
}
