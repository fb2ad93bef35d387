//! Appends the windows of each row, repeating it where windows overlap.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{filter_record_batch, is_not_null, is_null};
use arrow::datatypes::{DataType, SchemaRef};

use millrace_plan::{AssignWindowsNode, WindowKind};

use super::columns::{WINDOW_TIME_BEFORE_END, micros, require_time, rows_of};
use crate::{Batch, JobError, Micros, Operator, OperatorContext, Output};

/// Greatest number of rows in a batch made by repeating rows.
const BATCH_ROWS: usize = 16_384;

/// Runs an [`AssignWindowsNode`]. A row without event time is in no window: it counts as late.
pub(crate) struct AssignWindowsOperator {
    window: WindowKind,
    time: usize,
    output: SchemaRef,
    /// The pane that `windows` are of.
    pane: Option<Micros>,
    windows: Vec<(Micros, Micros)>,
}

impl AssignWindowsOperator {
    pub(crate) fn new(
        node: &AssignWindowsNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        _ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        if node.window.pane().is_none() {
            let message = "session windows are made by aggregating: they need GROUP BY";
            return Err(JobError::Unsupported(message.to_owned()));
        }
        require_time(&inputs[0], node.time)?;
        let output = output.clone();
        Ok(Self { window: node.window, time: node.time, output, pane: None, windows: Vec::new() })
    }

    /// Looks the windows of `time` up; most rows are in the pane of the row before them.
    fn locate(&mut self, time: Micros) {
        let pane = self.window.pane_start(time);
        if self.pane != Some(pane) {
            self.windows = self.window.windows_of_pane(pane);
            self.pane = Some(pane);
        }
    }

    fn send(
        &self,
        batch: &Batch,
        rows: Option<Vec<u32>>,
        starts: Vec<Micros>,
        ends: Vec<Micros>,
        out: &mut Output,
    ) -> Result<(), JobError> {
        let repeated = match rows {
            Some(rows) => &batch.take(&UInt32Array::from(rows))?,
            None => batch,
        };
        let count = starts.len();
        let times = ends.iter().map(|end| end - WINDOW_TIME_BEFORE_END).collect();
        let mut columns = repeated.rows.columns().to_vec();
        for values in [starts, ends, times] {
            columns.push(self.instants(columns.len(), values));
        }
        let rows = rows_of(&self.output, columns, count)?;
        out.push(Batch { rows, kinds: repeated.kinds.clone() });
        Ok(())
    }

    fn instants(&self, column: usize, values: Vec<Micros>) -> ArrayRef {
        let zone = match self.output.field(column).data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        Arc::new(TimestampMicrosecondArray::from(values).with_timezone_opt(zone))
    }

    fn without_null_times(&self, batch: Batch, out: &mut Output) -> Result<Batch, JobError> {
        let times = batch.rows.column(self.time);
        if times.null_count() == 0 {
            return Ok(batch);
        }
        let nulls: RecordBatch = filter_record_batch(&batch.rows, &is_null(times)?)?;
        out.push_late(nulls);
        batch.filter(&is_not_null(times)?)
    }
}

impl Operator for AssignWindowsOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let batch = self.without_null_times(batch, out)?;
        let times = micros(&batch.rows, self.time)?;
        if matches!(self.window, WindowKind::Tumble { .. }) {
            let mut starts = Vec::with_capacity(times.len());
            let mut ends = Vec::with_capacity(times.len());
            for &time in times {
                // A row is mostly in the window of the row before it: spares a division.
                if !self.windows.first().is_some_and(|(s, e)| (*s..*e).contains(&time)) {
                    self.locate(time);
                }
                let (start, end) = self.windows[0];
                starts.push(start);
                ends.push(end);
            }
            return self.send(&batch, None, starts, ends, out);
        }
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &time) in (0_u32..).zip(times) {
            self.locate(time);
            for &(start, end) in &self.windows {
                rows.push(row);
                starts.push(start);
                ends.push(end);
            }
            if rows.len() >= BATCH_ROWS {
                let (rows, starts, ends) = (
                    std::mem::take(&mut rows),
                    std::mem::take(&mut starts),
                    std::mem::take(&mut ends),
                );
                self.send(&batch, Some(rows), starts, ends, out)?;
            }
        }
        self.send(&batch, Some(rows), starts, ends, out)
    }
}
