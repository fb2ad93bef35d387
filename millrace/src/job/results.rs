//! What a sink holds when a job has ended: changes applied, sorted, cut.

use anyhow::Context;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use millrace_plan::JobPlan;
use millrace_processors::connector::MemorySink;
use millrace_processors::final_rows;

/// The rows of a sink.
#[derive(Debug)]
pub(crate) struct SinkRows {
    pub(crate) name: String,
    /// Names of the columns that identify a row, if rows change.
    pub(crate) key: Option<Vec<String>>,
    /// Rows and changes of rows that came.
    pub(crate) changes: usize,
    /// Rows that are left.
    pub(crate) total: usize,
    /// The first of them, in order of all columns.
    pub(crate) rows: RecordBatch,
}

impl SinkRows {
    /// What `sink`, the plan's sink `name`, holds.
    pub(crate) fn of(
        plan: &JobPlan,
        name: &str,
        sink: &MemorySink,
        limit: usize,
    ) -> anyhow::Result<Self> {
        let mut sinks = plan.sinks();
        let (node, of_plan) =
            sinks.find(|(_, of_plan)| of_plan.name == name).context("the plan has the sink")?;
        let batches = sink.committed();
        // Late rows come with columns of their own.
        let schema = batches.first().map_or_else(|| node.schema.clone(), |b| b.rows.schema());
        let below = plan.node(node.inputs[0].from);
        let key = of_plan.key.as_deref().filter(|_| !below.changes.is_append());
        let all = final_rows(&schema, key, &batches)?;
        let names = |key: &[usize]| key.iter().map(|at| schema.field(*at).name().clone()).collect();
        Ok(Self {
            name: name.to_owned(),
            key: key.map(names),
            changes: batches.iter().map(millrace_processors::Batch::len).sum(),
            total: all.num_rows(),
            rows: first_sorted(&all, &schema, limit)?,
        })
    }
}

/// The first rows by all columns from left to right, so that a result is the same however its job
/// was spread over threads.
fn first_sorted(
    rows: &RecordBatch,
    schema: &SchemaRef,
    limit: usize,
) -> anyhow::Result<RecordBatch> {
    let fields: Vec<_> =
        schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
    if rows.num_columns() == 0 || !RowConverter::supports_fields(&fields) {
        return Ok(rows.slice(0, limit.min(rows.num_rows())));
    }
    let keys = RowConverter::new(fields)?.convert_columns(rows.columns())?;
    let count = u32::try_from(rows.num_rows()).context("more rows than can be shown")?;
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_by_key(|row| keys.row(*row as usize));
    order.truncate(limit);
    Ok(take_record_batch(rows, &UInt32Array::from(order))?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn rows_are_sorted_by_all_columns_and_cut() {
        let columns: [(&str, ArrayRef); 2] = [
            ("a", Arc::new(StringArray::from(vec![Some("y"), Some("x"), None, Some("x")]))),
            ("n", Arc::new(Int64Array::from(vec![1, 3, 4, 2]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let numbers = |limit| {
            let sorted = first_sorted(&rows, &rows.schema(), limit).unwrap();
            sorted.column(1).as_primitive::<Int64Type>().values().to_vec()
        };
        assert_eq!(numbers(9), [4, 2, 3, 1]);
        assert_eq!(numbers(2), [4, 2]);
        assert_eq!(numbers(0), [0; 0]);
    }
}
