//! Filter and projection: keeps rows, computes columns, holds no state.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use millrace_plan::{Changes, ProjectNode};

use super::columns::{condition, evaluate, query, rows_of, typed};
use super::narrow::narrow;
use crate::{Batch, JobError, Operator, OperatorContext, Output, RowKind};

/// Runs a [`ProjectNode`].
///
/// A filter over a changelog judges each row by itself, and an update of which only one half
/// passes becomes the insert or the delete that it amounts to. Where replaced rows are not sent
/// (upsert), a row that no longer passes is a delete, whether or not it passed before: a delete of
/// nothing is nothing. Such a delete carries the columns computed from the *new* row; its key is
/// right.
pub(crate) struct ProjectOperator {
    name: String,
    filter: Option<Arc<dyn PhysicalExpr>>,
    columns: Vec<Arc<dyn PhysicalExpr>>,
    /// With a filter: what of the input `columns` are over.
    parts: Option<(Vec<Arc<dyn PhysicalExpr>>, SchemaRef)>,
    upsert: bool,
    output: SchemaRef,
}

impl ProjectOperator {
    pub(crate) fn new(
        node: &ProjectNode,
        input: &Changes,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        let name = ctx.operator.0.clone();
        let narrowed = match &node.filter {
            Some(_) => narrow(&node.columns, &inputs[0]).map_err(|source| query(&name, source))?,
            None => None,
        };
        let (parts, columns) = match narrowed {
            Some(narrowed) => (Some((narrowed.parts, narrowed.schema)), narrowed.expressions),
            None => (None, node.columns.clone()),
        };
        let upsert = matches!(input, Changes::Upsert(_));
        Ok(Self {
            name,
            filter: node.filter.clone(),
            columns,
            parts,
            upsert,
            output: output.clone(),
        })
    }

    /// The rows that pass, with only what is in use of their columns.
    fn keep(&self, batch: Batch) -> Result<Batch, JobError> {
        let Some(filter) = &self.filter else { return Ok(batch) };
        let passes = condition(filter, &batch.rows, &self.name)?;
        let rows = match &self.parts {
            Some((parts, schema)) => self.take_parts(&batch.rows, parts, schema)?,
            None => batch.rows,
        };
        let batch = Batch { rows, kinds: batch.kinds };
        if passes.true_count() == passes.len() {
            return Ok(batch);
        }
        if batch.kinds.is_none() {
            return batch.filter(&passes);
        }
        let (keep, kinds) = self.judge(&batch, &passes);
        Batch::changes(batch.rows, &kinds).filter(&keep)
    }

    fn take_parts(
        &self,
        rows: &RecordBatch,
        parts: &[Arc<dyn PhysicalExpr>],
        schema: &SchemaRef,
    ) -> Result<RecordBatch, JobError> {
        let take = |part: &Arc<dyn PhysicalExpr>| match part.downcast_ref::<Column>() {
            Some(column) => Ok(rows.column(column.index()).clone()),
            None => evaluate(part, rows, &self.name),
        };
        let columns = parts.iter().map(take).collect::<Result<_, _>>()?;
        rows_of(schema, columns, rows.num_rows())
    }

    /// Which rows of a changelog stay, and as what.
    fn judge(&self, batch: &Batch, passes: &BooleanArray) -> (BooleanArray, Vec<RowKind>) {
        let mut kinds: Vec<RowKind> = (0..batch.len()).map(|row| batch.kind(row)).collect();
        let mut keep: Vec<bool> = passes.values().iter().collect();
        let mut row = 0;
        while row < kinds.len() {
            let next = kinds.get(row + 1).copied();
            match kinds[row] {
                RowKind::UpdateBefore if next == Some(RowKind::UpdateAfter) => {
                    if keep[row] != keep[row + 1] {
                        kinds[row] = RowKind::Delete;
                        kinds[row + 1] = RowKind::Insert;
                    }
                    row += 1;
                }
                RowKind::UpdateAfter if self.upsert && !keep[row] => {
                    kinds[row] = RowKind::Delete;
                    keep[row] = true;
                }
                // What is deleted may be known by its key alone.
                RowKind::Delete if self.upsert => keep[row] = true,
                _ => {}
            }
            row += 1;
        }
        (BooleanArray::from(keep), kinds)
    }

    fn compute(&self, rows: &RecordBatch) -> Result<RecordBatch, JobError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (expression, field) in self.columns.iter().zip(self.output.fields()) {
            let array = match expression.downcast_ref::<Column>() {
                Some(column) => rows.column(column.index()).clone(),
                None => evaluate(expression, rows, &self.name)?,
            };
            columns.push(typed(array, field.data_type())?);
        }
        rows_of(&self.output, columns, rows.num_rows())
    }
}

impl Operator for ProjectOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let batch = self.keep(batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        out.push(Batch { rows: self.compute(&batch.rows)?, kinds: batch.kinds });
        Ok(())
    }
}
