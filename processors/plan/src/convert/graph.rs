//! The operators made so far, and what is known of their columns.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Fields, Schema, SchemaRef};

use super::expression::{Expression, as_column, column, identity, names_column, text};
use super::hoist::{common_calls, with_columns};
use crate::explain::call_text;
use crate::{Changes, Exchange, Input, Node, NodeId, NodeKind, OperatorId, ProjectNode};

/// What a column is to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    Plain,
    /// An event time that the watermark speaks of.
    Time,
    /// Was an event time, until this.
    Lost(&'static str),
    /// `window_start` of the windows made by a node.
    WindowStart(NodeId),
    /// `window_end` of the windows made by a node.
    WindowEnd(NodeId),
    /// `window_time` of the windows made by a node; an event time too.
    WindowTime(NodeId),
}

impl Role {
    /// Whether windows and bounds can be put on the column.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Time | Self::WindowTime(_))
    }
}

/// Where rows are, among the instances of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dealt {
    /// Anywhere.
    Anyhow,
    /// By key group of these columns of the output.
    By(Vec<usize>),
    /// All at instance 0.
    Single,
}

/// What is known of the rows a node makes.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) changes: Changes,
    pub(crate) roles: Vec<Role>,
    pub(crate) dealt: Dealt,
}

/// A node and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) node: Node,
    pub(crate) roles: Vec<Role>,
    pub(crate) dealt: Dealt,
    /// Whether all its sources end.
    pub(crate) bounded: bool,
}

/// The operators made so far, inputs first.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) drafts: Vec<Draft>,
}

impl Graph {
    pub(crate) fn draft(&self, id: NodeId) -> &Draft {
        &self.drafts[id.0]
    }

    pub(crate) fn schema(&self, id: NodeId) -> &SchemaRef {
        &self.drafts[id.0].node.schema
    }

    pub(crate) fn role(&self, id: NodeId, column: usize) -> Role {
        self.drafts[id.0].roles[column]
    }

    /// Adds a node, or finds the one that is the same.
    pub(crate) fn add(
        &mut self,
        kind: NodeKind,
        inputs: Vec<Input>,
        schema: SchemaRef,
        facts: Facts,
    ) -> NodeId {
        let bounded = inputs.iter().all(|input| self.draft(input.from).bounded);
        let same = self.drafts.iter().find(|draft| {
            draft.node.inputs == inputs
                && draft.node.schema == schema
                && same(&draft.node.kind, &kind)
        });
        if let Some(draft) = same {
            return draft.node.id;
        }
        let id = NodeId(self.drafts.len());
        let operator = OperatorId(String::new());
        let changes = facts.changes;
        let node = Node { id, operator, kind, inputs, schema, changes, event_time: None };
        self.drafts.push(Draft { node, roles: facts.roles, dealt: facts.dealt, bounded });
        id
    }

    /// A node that filters and computes. The key of a changelog must be among the columns.
    pub(crate) fn project(
        &mut self,
        input: NodeId,
        filter: Option<Expression>,
        columns: Vec<Expression>,
        names: Option<Vec<String>>,
    ) -> NodeId {
        let names = names.unwrap_or_else(|| columns.iter().map(text).collect());
        let calls = filter.as_ref().map(|filter| common_calls(filter, &columns));
        if let Some(calls) = calls.filter(|calls| !calls.is_empty()) {
            return self.project_twice(input, filter.as_ref(), &columns, names, &calls);
        }
        let below = self.draft(input);
        let from = &below.node.schema;
        let fields = columns.iter().zip(unique(names)).map(|(column, name)| {
            let kind = column.data_type(from).expect("compiled over this schema");
            Field::new(name, kind, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
        let place = |wanted: &usize| {
            columns.iter().position(|column| names_column(column, from) == Some(*wanted))
        };
        let places = |wanted: &[usize]| wanted.iter().map(place).collect::<Option<Vec<_>>>();
        let key = |key: &[usize]| places(key).expect("callers keep the key of a changelog");
        let exact =
            |wanted: &usize| columns.iter().position(|column| as_column(column) == Some(*wanted));
        let facts = Facts {
            changes: match &below.node.changes {
                Changes::Append => Changes::Append,
                Changes::Upsert(of) => Changes::Upsert(key(of)),
                Changes::Retract(of) => Changes::Retract(key(of)),
            },
            roles: columns
                .iter()
                .map(|column| as_column(column).map_or(Role::Plain, |index| below.roles[index]))
                .collect(),
            dealt: match &below.dealt {
                Dealt::By(by) => by
                    .iter()
                    .map(exact)
                    .collect::<Option<Vec<_>>>()
                    .map_or(Dealt::Anyhow, Dealt::By),
                other => other.clone(),
            },
        };
        let kind = NodeKind::Project(ProjectNode { filter, columns });
        self.add(kind, vec![forward(input)], schema, facts)
    }

    /// As [`Self::project`], with `calls` computed in a node below.
    fn project_twice(
        &mut self,
        input: NodeId,
        filter: Option<&Expression>,
        columns: &[Expression],
        names: Vec<String>,
        calls: &[Expression],
    ) -> NodeId {
        let own = self.schema(input).fields().len();
        let mut all = identity(self.schema(input));
        all.extend(calls.iter().cloned());
        let below = self.project(input, None, all, None);
        let schema = self.schema(below).clone();
        let over = |expression: &Expression| {
            with_columns(expression, calls, |place| column(&schema, own + place))
        };
        let columns = columns.iter().map(over).collect();
        self.project(below, filter.map(over), columns, Some(names))
    }

    /// How `input` must be dealt to a reader that keeps state by `keys`.
    pub(crate) fn exchange(&self, input: NodeId, keys: &[usize]) -> Exchange {
        match &self.draft(input).dealt {
            Dealt::Single if keys.is_empty() => Exchange::Forward,
            _ if keys.is_empty() => Exchange::Single,
            Dealt::By(by) if by == keys => Exchange::Forward,
            _ => Exchange::Hash(keys.to_vec()),
        }
    }

    /// Makes replaced rows come out of `node`, whose reader needs them.
    pub(crate) fn require_before(&mut self, node: NodeId) {
        let node = &mut self.drafts[node.0].node;
        match &mut node.kind {
            NodeKind::GroupAggregate(group) => group.emit_before = true,
            NodeKind::TopN(top) => top.emit_before = true,
            NodeKind::Deduplicate(deduplicate) => deduplicate.emit_before = true,
            _ => {}
        }
        let Changes::Upsert(key) = &node.changes else { return };
        node.changes = Changes::Retract(key.clone());
        if matches!(node.kind, NodeKind::Project(_)) {
            let inputs: Vec<NodeId> = node.inputs.iter().map(|input| input.from).collect();
            for input in inputs {
                self.require_before(input);
            }
        }
    }
}

/// An edge along which no row changes its place.
pub(crate) fn forward(from: NodeId) -> Input {
    Input { from, exchange: Exchange::Forward }
}

/// Names made different: a repeated one gets a number.
pub(crate) fn unique(names: Vec<String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let free = |name: String, taken: &mut HashSet<String>| {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let name = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !taken.contains(name))
            .expect("there is always another number");
        taken.insert(name.clone());
        name
    };
    names.into_iter().map(|name| free(name, &mut taken)).collect()
}

/// Whether two nodes over the same inputs do the same.
fn same(a: &NodeKind, b: &NodeKind) -> bool {
    match (a, b) {
        (NodeKind::Source(a), NodeKind::Source(b)) => a.name == b.name,
        (NodeKind::Project(a), NodeKind::Project(b)) => {
            a.filter == b.filter && a.columns == b.columns
        }
        (NodeKind::Unnest(a), NodeKind::Unnest(b)) => {
            a.lists == b.lists && a.keep_empty == b.keep_empty
        }
        (NodeKind::Union, NodeKind::Union) => true,
        (NodeKind::AssignWindows(a), NodeKind::AssignWindows(b)) => a == b,
        (NodeKind::WindowAggregate(a), NodeKind::WindowAggregate(b)) => {
            a.keys == b.keys && a.windows == b.windows && same_calls(&a.aggregates, &b.aggregates)
        }
        (NodeKind::GroupAggregate(a), NodeKind::GroupAggregate(b)) => {
            a.keys == b.keys && same_calls(&a.aggregates, &b.aggregates)
        }
        (NodeKind::WindowJoin(a), NodeKind::WindowJoin(b)) => {
            (a.kind, &a.on, a.left_window, a.right_window, &a.filter)
                == (b.kind, &b.on, b.left_window, b.right_window, &b.filter)
        }
        (NodeKind::IntervalJoin(a), NodeKind::IntervalJoin(b)) => {
            (a.kind, &a.on, a.left_time, a.right_time, a.lower_us, a.upper_us, &a.filter)
                == (b.kind, &b.on, b.left_time, b.right_time, b.lower_us, b.upper_us, &b.filter)
        }
        (NodeKind::TopN(a), NodeKind::TopN(b)) => {
            let (mut a, mut b) = (a.clone(), b.clone());
            (a.emit_before, b.emit_before) = (false, false);
            a == b
        }
        (NodeKind::Deduplicate(a), NodeKind::Deduplicate(b)) => {
            let (mut a, mut b) = (a.clone(), b.clone());
            (a.emit_before, b.emit_before) = (false, false);
            a == b
        }
        _ => false,
    }
}

fn same_calls(a: &[crate::AggregateCall], b: &[crate::AggregateCall]) -> bool {
    let key = |call: &crate::AggregateCall| {
        (call_text(call, &|column| column.to_string()), call.output.clone())
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| key(a) == key(b))
}
