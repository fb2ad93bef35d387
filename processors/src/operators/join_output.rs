//! What joins make of pairs of rows and of rows without a partner.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt32Array, new_null_array};
use arrow::compute::{filter, take};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use millrace_plan::JoinKind;

use super::columns::{condition, rows_of};
use crate::{Batch, JobError, Output};

/// Number of pairs that are made and judged at a time.
pub(crate) const PAIRS: usize = 8_192;

/// The kind of a join, its residual filter and the shape of its output.
pub(crate) struct JoinOutput {
    name: String,
    kind: JoinKind,
    filter: Option<Arc<dyn PhysicalExpr>>,
    /// Left columns, then right columns: what the filter is over.
    pairs: SchemaRef,
    output: SchemaRef,
    left_width: usize,
}

/// Rows as columns.
pub(crate) type Columns = Vec<ArrayRef>;

impl JoinOutput {
    pub(crate) fn new(
        name: &str,
        kind: JoinKind,
        filter: Option<Arc<dyn PhysicalExpr>>,
        inputs: &[SchemaRef],
        output: &SchemaRef,
    ) -> Self {
        let fields = inputs.iter().flat_map(|input| input.fields());
        let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
        let pairs = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let (name, output) = (name.to_owned(), output.clone());
        Self { name, kind, filter, pairs, output, left_width: inputs[0].fields().len() }
    }

    /// Whether equal keys make a match by themselves.
    pub(crate) fn is_unfiltered(&self) -> bool {
        self.filter.is_none()
    }

    /// Whether pairs are part of the output.
    pub(crate) fn has_pairs(&self) -> bool {
        !matches!(self.kind, JoinKind::Semi | JoinKind::Anti)
    }

    /// Whether rows of `port` without a partner are part of the output.
    pub(crate) fn keeps_unmatched(&self, port: usize) -> bool {
        match self.kind {
            JoinKind::Inner | JoinKind::Semi => false,
            JoinKind::Left | JoinKind::Anti => port == 0,
            JoinKind::Right => port == 1,
            JoinKind::Full => true,
        }
    }

    /// Whether left rows that have a partner are part of the output by themselves.
    pub(crate) fn keeps_matched(&self) -> bool {
        self.kind == JoinKind::Semi
    }

    /// Sends the pairs for which the filter is true, if pairs are sent. Returns which they are;
    /// `None`: all.
    pub(crate) fn pairs(
        &self,
        left: (&[ArrayRef], Vec<u32>),
        right: (&[ArrayRef], Vec<u32>),
        out: &mut Output,
    ) -> Result<Option<BooleanArray>, JobError> {
        let count = left.1.len();
        if count == 0 {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(self.pairs.fields().len());
        for (side, places) in [left, right] {
            let places = UInt32Array::from(places);
            for column in side {
                columns.push(take(column, &places, None)?);
            }
        }
        let Some(condition) = self.judge(&columns, count)? else {
            if self.has_pairs() {
                out.push(Batch::append(rows_of(&self.output, columns, count)?));
            }
            return Ok(None);
        };
        if self.has_pairs() {
            for column in &mut columns {
                *column = filter(column, &condition)?;
            }
            out.push(Batch::append(rows_of(&self.output, columns, condition.true_count())?));
        }
        Ok(Some(condition))
    }

    fn judge(&self, columns: &[ArrayRef], count: usize) -> Result<Option<BooleanArray>, JobError> {
        let Some(filter) = &self.filter else { return Ok(None) };
        let rows = rows_of(&self.pairs, columns.to_vec(), count)?;
        let passes = condition(filter, &rows, &self.name)?;
        Ok((passes.true_count() < count).then_some(passes))
    }

    /// Sends rows of `port` by themselves, the columns of the other side NULL.
    pub(crate) fn alone(
        &self,
        port: usize,
        mut columns: Columns,
        count: usize,
        out: &mut Output,
    ) -> Result<(), JobError> {
        if self.has_pairs() {
            let fields = self.pairs.fields();
            let missing =
                if port == 0 { self.left_width..fields.len() } else { 0..self.left_width };
            let nulls = fields[missing].iter();
            let nulls = nulls.map(|field| new_null_array(field.data_type(), count));
            let place = if port == 0 { columns.len() } else { 0 };
            columns.splice(place..place, nulls.collect::<Vec<_>>());
        }
        out.push(Batch::append(rows_of(&self.output, columns, count)?));
        Ok(())
    }
}

/// The rows for which `keep` is true.
pub(crate) fn select(columns: &[ArrayRef], keep: &BooleanArray) -> Result<Columns, JobError> {
    if keep.true_count() == keep.len() {
        return Ok(columns.to_vec());
    }
    Ok(columns.iter().map(|column| filter(column, keep)).collect::<Result<_, _>>()?)
}

/// Refuses a join on columns of different types: they are encoded differently.
pub(crate) fn require_same_types(
    on: &[(usize, usize)],
    inputs: &[SchemaRef],
) -> Result<(), JobError> {
    for &(left, right) in on {
        let (left, right) = (inputs[0].field(left), inputs[1].field(right));
        if left.data_type() != right.data_type() {
            return Err(JobError::Unsupported(format!(
                "a join on `{}` and `{}` needs a cast: {} is not {}",
                left.name(),
                right.name(),
                left.data_type(),
                right.data_type()
            )));
        }
    }
    Ok(())
}
