//! The best rows of each partition of each window, sent when the window closes.

use arrow::datatypes::SchemaRef;

use millrace_plan::{Changes, TopNNode};
use millrace_state::Table;

use super::columns::{micros, require_time};
use super::keys::WindowKey;
use super::late::without_late;
use super::ranked::{RankedInput, RankedOutput};
use super::ranking::{admits, insert};
use crate::{Batch, JobError, Micros, Operator, OperatorContext, Output};

/// Runs a [`TopNNode`] with a window. State: the ranking of each partition, at the window's end.
pub(crate) struct WindowTopNOperator {
    input: RankedInput,
    output: RankedOutput,
    table: Table,
    limit: usize,
    window: (usize, usize),
    key: WindowKey,
    watermark: Micros,
}

impl WindowTopNOperator {
    pub(crate) fn new(
        node: &TopNNode,
        window: (usize, usize),
        input_changes: &Changes,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        if !input_changes.is_append() {
            let message = "a Top-N per window of rows that change";
            return Err(JobError::Unsupported(message.to_owned()));
        }
        require_time(&inputs[0], window.0)?;
        require_time(&inputs[0], window.1)?;
        Ok(Self {
            input: RankedInput::new(node, &inputs[0])?,
            output: RankedOutput::new(node, &inputs[0], output)?,
            table: ctx.table("ranking"),
            limit: usize::try_from(node.to).unwrap_or(usize::MAX),
            window,
            key: WindowKey::default(),
            watermark: ctx.watermark,
        })
    }
}

impl Operator for WindowTopNOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let batch = without_late(batch, self.window.1, self.watermark, out)?;
        if batch.is_empty() {
            return Ok(());
        }
        self.input.encode(&batch)?;
        let starts = micros(&batch.rows, self.window.0)?;
        let ends = micros(&batch.rows, self.window.1)?;
        for row in 0..batch.len() {
            let key = self.key.of(self.input.keys.get(row), starts[row]);
            let old = self.table.get(ends[row], key)?.unwrap_or_default();
            if !admits(old, self.limit, self.input.order.get(row)) {
                continue;
            }
            self.input.encode_rows(&batch)?;
            let (order, encoded) = (self.input.order.get(row), self.input.row(row));
            let limit = self.limit;
            self.table.update(ends[row], key, |ranking| insert(ranking, limit, order, encoded))?;
        }
        Ok(())
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        while let Some(end) = self.table.first_namespace()?.filter(|end| *end <= watermark) {
            let mut failed = Ok(());
            let output = &mut self.output;
            self.table.scan(end, |_, _, ranking| {
                if failed.is_ok() {
                    failed = output.add_all(ranking, out);
                }
            })?;
            failed?;
            self.table.drop_namespace(end)?;
        }
        self.output.send(true, out)?;
        self.watermark = watermark;
        Ok(watermark)
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
}
