//! Late rows in the one form in which all operators can keep them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::json::LineDelimitedWriter;

use millrace_plan::{OperatorId, late_schema};

use crate::{JobError, Micros};

/// `rows` in [`late_schema`].
pub(crate) fn late_rows(
    operator: &OperatorId,
    watermark: Micros,
    rows: &RecordBatch,
) -> Result<RecordBatch, JobError> {
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    writer.write(rows)?;
    writer.finish()?;
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    let count = rows.num_rows();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&operator.0, count))),
        Arc::new(TimestampMicrosecondArray::from(vec![watermark; count]).with_timezone("UTC")),
        Arc::new(text.lines().map(Some).collect::<StringArray>()),
    ];
    Ok(RecordBatch::try_new(late_schema(), columns)?)
}
