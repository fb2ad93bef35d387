//! The state of a conversion: the catalog, the text for errors, the graph so far.

use std::ops::Range;

use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;

use super::expression::{Expression, compile};
use super::graph::Graph;
use crate::sql::{BoundInsert, BoundJob};
use crate::{Catalog, JobPlan, NodeId, SqlError};

/// The plan of a job, or everything that is wrong with it.
pub(crate) fn convert(job: &BoundJob, catalog: &Catalog) -> Result<JobPlan, Vec<SqlError>> {
    let mut converter = Converter {
        catalog,
        text: &job.text,
        span: 0..0,
        graph: Graph::default(),
        warnings: Vec::new(),
    };
    let mut errors = Vec::new();
    for insert in &job.inserts {
        if let Err(error) = converter.insert(insert) {
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(converter.finish()) } else { Err(errors) }
}

/// See [`convert`].
pub(crate) struct Converter<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) text: &'a str,
    /// The statement being converted.
    pub(crate) span: Range<usize>,
    pub(crate) graph: Graph,
    pub(crate) warnings: Vec<SqlError>,
}

impl Converter<'_> {
    fn insert(&mut self, insert: &BoundInsert) -> Result<(), SqlError> {
        self.span = insert.span.clone();
        let rel = self.relation(&insert.plan)?;
        self.sink(insert, rel)
    }

    /// A mistake somewhere in the statement.
    pub(crate) fn error(&self, message: impl Into<String>) -> SqlError {
        SqlError::at(self.text, self.span.clone(), message)
    }

    /// A mistake at `word`, if the statement has it just once, else somewhere in the statement.
    pub(crate) fn error_near(&self, word: &str, message: impl Into<String>) -> SqlError {
        let statement = self.text.get(self.span.clone()).unwrap_or_default();
        // ASCII only, so that every byte keeps its place.
        let (statement, word) = (statement.to_ascii_lowercase(), word.to_ascii_lowercase());
        let mut found = statement.match_indices(&word);
        let at = match (found.next(), found.next()) {
            (Some((at, _)), None) => self.span.start + at..self.span.start + at + word.len(),
            _ => self.span.clone(),
        };
        SqlError::at(self.text, at, message)
    }

    /// Says once what should be known.
    pub(crate) fn warn(&mut self, warning: SqlError) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(crate) fn compile(&self, expr: &Expr, schema: &DFSchema) -> Result<Expression, SqlError> {
        compile(expr, schema).map_err(|error| self.failed(&error))
    }

    pub(crate) fn compile_all(
        &self,
        exprs: &[Expr],
        schema: &DFSchema,
    ) -> Result<Vec<Expression>, SqlError> {
        exprs.iter().map(|expr| self.compile(expr, schema)).collect()
    }

    pub(crate) fn failed(&self, error: &DataFusionError) -> SqlError {
        self.error(error.strip_backtrace())
    }

    /// Refuses rows that replace others where `reader` cannot take them.
    pub(crate) fn require_append(&self, node: NodeId, reader: &str) -> Result<(), SqlError> {
        if self.graph.draft(node).node.changes.is_append() {
            return Ok(());
        }
        Err(self.error(format!("{reader} over rows that change is not supported")).hint(
            "aggregate or rank in a window first (GROUP BY or PARTITION BY window_start, \
                 window_end): its rows are final",
        ))
    }
}
