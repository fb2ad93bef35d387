//! Rows whose window has closed.

use arrow::array::{Array, BooleanArray};
use arrow::compute::{filter_record_batch, not};

use super::columns::micros;
use crate::{Batch, JobError, Micros, Output};

/// Takes the rows out whose window, by its end, is complete at `watermark`. A row without a window
/// is of no use either.
pub(crate) fn without_late(
    batch: Batch,
    window_end: usize,
    watermark: Micros,
    out: &mut Output,
) -> Result<Batch, JobError> {
    let ends = micros(&batch.rows, window_end)?;
    let nulls = batch.rows.column(window_end).nulls();
    if nulls.is_none() && ends.iter().all(|end| *end > watermark) {
        return Ok(batch);
    }
    let in_time = |(row, end): (usize, &Micros)| {
        *end > watermark && !nulls.is_some_and(|nulls| nulls.is_null(row))
    };
    let in_time: BooleanArray = ends.iter().enumerate().map(in_time).map(Some).collect();
    out.push_late(filter_record_batch(&batch.rows, &not(&in_time)?)?);
    batch.filter(&in_time)
}
