//! Repeats each row for each element of its list columns.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef};

use millrace_plan::UnnestNode;

use super::columns::{rows_of, typed};
use crate::{Batch, JobError, Operator, OperatorContext, Output, RowKind};

/// Runs an [`UnnestNode`].
///
/// The rows made of a replaced row and those made of its replacement do not correspond one to one,
/// so an update becomes deletes and inserts.
pub(crate) struct UnnestOperator {
    lists: Vec<usize>,
    keep_empty: bool,
    output: SchemaRef,
}

impl UnnestOperator {
    pub(crate) fn new(
        node: &UnnestNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        _ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        for &list in &node.lists {
            let field = inputs[0].field(list);
            let is_list = matches!(
                field.data_type(),
                DataType::List(_)
                    | DataType::LargeList(_)
                    | DataType::FixedSizeList(..)
                    | DataType::ListView(_)
                    | DataType::LargeListView(_)
            );
            if !is_list {
                let (name, found) = (field.name(), field.data_type());
                let message = format!("UNNEST needs a list: column `{name}` is {found}");
                return Err(JobError::Unsupported(message));
            }
        }
        Ok(Self { lists: node.lists.clone(), keep_empty: node.keep_empty, output: output.clone() })
    }
}

/// A list column of one batch: where the elements of each row are.
struct Lists {
    elements: ArrayRef,
    starts: Vec<i64>,
    lengths: Vec<i64>,
}

impl Lists {
    fn new(column: &ArrayRef) -> Result<Self, JobError> {
        // One form for all: offsets of 64 bits. Only the offsets are rewritten by the cast.
        let element = match column.data_type() {
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::FixedSizeList(field, _)
            | DataType::ListView(field)
            | DataType::LargeListView(field) => field.clone(),
            other => return Err(JobError::Unsupported(format!("UNNEST of {other}"))),
        };
        let column = cast(column, &DataType::LargeList(element))?;
        let lists = column.as_list::<i64>();
        let offsets = lists.value_offsets();
        let starts = offsets[..lists.len()].to_vec();
        let length = |row: usize| {
            if lists.is_null(row) { 0 } else { offsets[row + 1] - offsets[row] }
        };
        let lengths = (0..lists.len()).map(length).collect();
        Ok(Self { elements: lists.values().clone(), starts, lengths })
    }
}

impl Operator for UnnestOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let lists: Vec<Lists> = self
            .lists
            .iter()
            .map(|&list| Lists::new(batch.rows.column(list)))
            .collect::<Result<_, _>>()?;
        let mut rows: Vec<u32> = Vec::new();
        let mut elements: Vec<Vec<Option<u64>>> = vec![Vec::new(); lists.len()];
        for (row, number) in (0..batch.len()).zip(0_u32..) {
            let longest = lists.iter().map(|list| list.lengths[row]).max().unwrap_or(0);
            let repeats = if longest == 0 && self.keep_empty { 1 } else { longest };
            for place in 0..repeats {
                rows.push(number);
                for (list, taken) in lists.iter().zip(&mut elements) {
                    let there = place < list.lengths[row];
                    taken.push(there.then(|| (list.starts[row] + place).unsigned_abs()));
                }
            }
        }
        let count = rows.len();
        let rows = UInt32Array::from(rows);
        let kinds: Option<Vec<RowKind>> = batch.kinds.as_ref().map(|_| {
            let plain = |row: &u32| match batch.kind(*row as usize) {
                RowKind::Insert | RowKind::UpdateAfter => RowKind::Insert,
                RowKind::UpdateBefore | RowKind::Delete => RowKind::Delete,
            };
            rows.values().iter().map(plain).collect()
        });
        let mut columns = Vec::with_capacity(self.output.fields().len());
        for (column, field) in self.output.fields().iter().enumerate() {
            let array = match self.lists.iter().position(|&list| list == column) {
                Some(list) => {
                    let places = UInt64Array::from(std::mem::take(&mut elements[list]));
                    take(&lists[list].elements, &places, None)?
                }
                None => take(batch.rows.column(column), &rows, None)?,
            };
            columns.push(typed(array, field.data_type())?);
        }
        let rows = rows_of(&self.output, columns, count)?;
        out.push(match kinds {
            Some(kinds) => Batch::changes(rows, &kinds),
            None => Batch::append(rows),
        });
        Ok(())
    }
}
