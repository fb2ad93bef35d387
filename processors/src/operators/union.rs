//! All rows of all inputs, under one schema.

use arrow::datatypes::SchemaRef;

use super::columns::{rows_of, typed};
use crate::{Batch, JobError, Operator, OperatorContext, Output};

/// Runs [`NodeKind::Union`](millrace_plan::NodeKind::Union).
pub(crate) struct UnionOperator {
    output: SchemaRef,
}

impl UnionOperator {
    pub(crate) fn new(
        inputs: &[SchemaRef],
        output: &SchemaRef,
        _ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        if inputs.iter().any(|input| input.fields().len() != output.fields().len()) {
            let message = "the inputs of a union have different numbers of columns";
            return Err(JobError::Unsupported(message.to_owned()));
        }
        Ok(Self { output: output.clone() })
    }
}

impl Operator for UnionOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let count = batch.len();
        let mut columns = Vec::with_capacity(self.output.fields().len());
        for (column, field) in batch.rows.columns().iter().zip(self.output.fields()) {
            columns.push(typed(column.clone(), field.data_type())?);
        }
        out.push(Batch { rows: rows_of(&self.output, columns, count)?, kinds: batch.kinds });
        Ok(())
    }
}
