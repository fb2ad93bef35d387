//! The end of a query: its columns as the sink names them, its key checked.

use datafusion::physical_expr::expressions::{CastExpr, Literal};

use super::converter::Converter;
use super::expression::{Expression, names_column};
use super::graph::{Dealt, Facts};
use super::relation::{Rel, all};
use crate::sql::{BoundInsert, flink_name};
use crate::{Exchange, Input, NodeId, NodeKind, SinkDef, SinkNode, SqlError};

impl Converter<'_> {
    pub(crate) fn sink(&mut self, insert: &BoundInsert, rel: Rel) -> Result<(), SqlError> {
        let name = &insert.sink;
        let Some(def) = self.catalog.sink_def(name) else {
            return Err(self
                .error_near(name, format!("`{name}` is not a sink"))
                .hint("add it to the catalog"));
        };
        let sinks = self.graph.drafts.iter();
        let twice = sinks.filter(|d| matches!(&d.node.kind, NodeKind::Sink(s) if s.name == *name));
        if twice.count() > 0 {
            return Err(self
                .error_near(name, format!("`{name}` is written by two statements"))
                .hint("write it once: INSERT INTO … SELECT … UNION ALL SELECT …"));
        }
        let mut rel = self.settle(rel)?;
        let names = self.output(&mut rel, insert, &def)?;
        let key = if self.catalog.takes_any_key(name) {
            self.query_key(&rel)
        } else {
            self.sink_key(&def, name, &names)?
        };
        self.check_key(&rel, name, &names, key.as_deref())?;
        let input = self.graph.project(rel.base, all(rel.filter), rel.columns, Some(names));
        let exchange = self.sink_exchange(input, key.as_deref());
        let below = self.graph.draft(input);
        let schema = below.node.schema.clone();
        let facts = Facts {
            changes: below.node.changes.clone(),
            roles: below.roles.clone(),
            dealt: Dealt::Anyhow,
        };
        let kind = NodeKind::Sink(SinkNode { name: name.clone(), key, late_rows_of: Vec::new() });
        self.graph.add(kind, vec![Input { from: input, exchange }], schema, facts);
        Ok(())
    }

    /// Gives the relation the types of the sink; returns the names.
    fn output(
        &self,
        rel: &mut Rel,
        insert: &BoundInsert,
        def: &SinkDef,
    ) -> Result<Vec<String>, SqlError> {
        let Some(wanted) = &def.schema else {
            return Ok(insert.plan.schema().fields().iter().map(|f| f.name().clone()).collect());
        };
        if wanted.fields().len() != rel.columns.len() {
            return Err(self
                .error(format!(
                    "`{}` has {} columns, the query {}",
                    insert.sink,
                    wanted.fields().len(),
                    rel.columns.len()
                ))
                .hint("select exactly the columns of the sink, in its order"));
        }
        let schema = self.graph.schema(rel.base);
        for (column, field) in rel.columns.iter_mut().zip(wanted.fields()) {
            let kind = column.data_type(schema).map_err(|error| self.failed(&error))?;
            if kind == *field.data_type() {
                continue;
            }
            if !arrow::compute::can_cast_types(&kind, field.data_type()) {
                return Err(self
                    .error(format!(
                        "`{}` of `{}` is {}, the query gives {}",
                        field.name(),
                        insert.sink,
                        flink_name(field.data_type()),
                        flink_name(&kind)
                    ))
                    .hint("convert it in the SELECT"));
            }
            let to = field.data_type().clone();
            *column = std::sync::Arc::new(CastExpr::new(column.clone(), to, None));
        }
        Ok(wanted.fields().iter().map(|field| field.name().clone()).collect())
    }

    /// The sink's key, by number.
    fn sink_key(
        &self,
        def: &SinkDef,
        sink: &str,
        names: &[String],
    ) -> Result<Option<Vec<usize>>, SqlError> {
        let Some(key) = &def.key else { return Ok(None) };
        let place = |wanted: &String| {
            names.iter().position(|name| name == wanted).ok_or_else(|| {
                self.error_near(
                    sink,
                    format!("`{sink}` has the key `{wanted}`, the query no such column"),
                )
                .hint(format!("name one of the columns: … AS {wanted}"))
            })
        };
        key.iter().map(place).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// The columns by which the rows of a query change, as far as they are selected; none if the
    /// rows never change.
    fn query_key(&self, rel: &Rel) -> Option<Vec<usize>> {
        let below = &self.graph.draft(rel.base).node;
        let wanted = below.changes.key()?;
        let selected = wanted.iter().filter_map(|of| {
            let is = |column: &Expression| names_column(column, &below.schema) == Some(*of);
            rel.columns.iter().position(is)
        });
        Some(selected.collect())
    }

    /// Refuses a changelog that the sink cannot apply: rows of the query's key must be rows of the
    /// sink's key. Constants may be part of the sink's key.
    fn check_key(
        &self,
        rel: &Rel,
        sink: &str,
        names: &[String],
        key: Option<&[usize]>,
    ) -> Result<(), SqlError> {
        let below = &self.graph.draft(rel.base).node;
        let Some(wanted) = below.changes.key() else { return Ok(()) };
        let source = |column: &Expression| names_column(column, &below.schema);
        let Some(key) = key else {
            return Err(self
                .error_near(
                    sink,
                    format!("the query changes rows it gave before, and `{sink}` has no key"),
                )
                .hint("add a key to the sink, or aggregate in a window, whose rows are final"));
        };
        let told: Vec<Option<usize>> = key
            .iter()
            .filter(|column| !rel.columns[**column].is::<Literal>())
            .map(|column| source(&rel.columns[*column]))
            .collect();
        let fits = told.iter().all(|of| of.is_some_and(|of| wanted.contains(&of)))
            && wanted.iter().all(|of| told.contains(&Some(*of)));
        if fits {
            return Ok(());
        }
        let quoted = |names: Vec<&str>| match names.as_slice() {
            [] => "(no column: it is one row)".to_owned(),
            names => format!("({})", names.join(", ")),
        };
        let own = wanted.iter().map(|of| {
            let output = rel.columns.iter().position(|column| source(column) == Some(*of));
            output.map_or_else(|| below.schema.field(*of).name().as_str(), |at| &names[at])
        });
        let of_sink = quoted(key.iter().map(|column| names[*column].as_str()).collect());
        let own = quoted(own.collect());
        Err(self
            .error_near(
                sink,
                format!("`{sink}` has the key {of_sink}, the rows of the query {own}"),
            )
            .hint(self.key_hint(rel, wanted, &own)))
    }

    fn key_hint(&self, rel: &Rel, wanted: &[usize], own: &str) -> String {
        let below = &self.graph.draft(rel.base).node;
        if let NodeKind::TopN(top) = &below.kind
            && !top.number
            && top.to > 1
        {
            return "select the row number, and make it and the partition the key of the sink"
                .to_owned();
        }
        if wanted.is_empty() {
            return "select a constant as the key of the one row: SELECT 'all' AS id, …".to_owned();
        }
        format!("select the columns {own}, and make them the key of the sink")
    }

    /// Rows of one key must come to one instance, in order.
    fn sink_exchange(&self, input: NodeId, key: Option<&[usize]>) -> Exchange {
        match (key, &self.graph.draft(input).dealt) {
            (None, _) | (_, Dealt::Single) => Exchange::Forward,
            (Some(key), Dealt::By(by)) if by.iter().all(|column| key.contains(column)) => {
                Exchange::Forward
            }
            (Some([]), _) => Exchange::Single,
            (Some(key), _) => Exchange::Hash(key.to_vec()),
        }
    }
}
