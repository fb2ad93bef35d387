//! Small things that several operators do with columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use crate::{JobError, Micros};

/// Distance of `window_time` from `window_end`: one millisecond, as in Flink.
pub(crate) const WINDOW_TIME_BEFORE_END: Micros = 1_000;

/// The values of an event-time column and the array they are of (for its NULLs).
pub(crate) fn micros(rows: &RecordBatch, column: usize) -> Result<&[Micros], JobError> {
    let array = rows.column(column);
    let Some(times) = array.as_primitive_opt::<TimestampMicrosecondType>() else {
        return Err(JobError::Unsupported(format!(
            "column `{}` is no event time: it is {}",
            rows.schema_ref().field(column).name(),
            array.data_type()
        )));
    };
    Ok(times.values())
}

/// Refuses, before any row is seen, a column that cannot be event time.
pub(crate) fn require_time(schema: &SchemaRef, column: usize) -> Result<(), JobError> {
    let field = schema.field(column);
    if matches!(field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
        return Ok(());
    }
    Err(JobError::Unsupported(format!(
        "column `{}` is no event time: it is {}",
        field.name(),
        field.data_type()
    )))
}

/// Rows of `schema`, also when it has no columns at all.
pub(crate) fn rows_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    count: usize,
) -> Result<RecordBatch, JobError> {
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Which rows the condition is true for; neither false nor NULL.
pub(crate) fn condition(
    filter: &Arc<dyn PhysicalExpr>,
    rows: &RecordBatch,
    operator: &str,
) -> Result<BooleanArray, JobError> {
    let value = evaluate(filter, rows, operator)?;
    let Some(passes) = value.as_boolean_opt() else {
        return Err(JobError::Unsupported(format!("a filter of type {}", value.data_type())));
    };
    if passes.null_count() == 0 {
        return Ok(passes.clone());
    }
    Ok(arrow::compute::prep_null_mask_filter(passes))
}

/// The expression over the rows; a failure names the operator.
pub(crate) fn evaluate(
    expression: &Arc<dyn PhysicalExpr>,
    rows: &RecordBatch,
    operator: &str,
) -> Result<ArrayRef, JobError> {
    expression
        .evaluate(rows)
        .and_then(|value| value.into_array(rows.num_rows()))
        .map_err(|source| query(operator, source))
}

/// `array` as `wanted`; nothing to do in all but a few cases (views of strings, dictionaries).
pub(crate) fn typed(array: ArrayRef, wanted: &DataType) -> Result<ArrayRef, JobError> {
    if array.data_type() == wanted { Ok(array) } else { Ok(cast(&array, wanted)?) }
}

/// A failure of the query, with the operator's name.
pub(crate) fn query(operator: &str, source: DataFusionError) -> JobError {
    JobError::Query { operator: operator.to_owned(), source }
}
