//! The first row of each key by event time, sent when the watermark makes it certain.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::array::{BooleanArray, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use millrace_plan::DeduplicateNode;
use millrace_state::{Key, RowCodec, Rows, Table};

use super::columns::{require_time, rows_of};
use super::deduplicate::{Keep, Times, offered, split, write};
use super::keys::{Keys, codec_of_all};
use crate::{Batch, JobError, Micros, Operator, OperatorContext, Output};

/// Runs a [`DeduplicateNode`] that keeps the first row, without a window.
///
/// A row waits until the watermark W is at its time: then no earlier row can come, and one of the
/// same time would come after it. Rows before W are late, as are rows without a time. State: the
/// keys whose row was sent (`sent`); of others the earliest row (`waiting`). The times at which
/// rows are due are in memory, and found again from `waiting`, which is as small as the
/// watermark's delay.
pub(crate) struct KeepFirstOperator {
    keys: Keys,
    time: usize,
    codec: RowCodec,
    output: SchemaRef,
    sent: Table,
    waiting: Table,
    /// Times and keys; those whose row was replaced by an earlier one are skipped.
    due: BinaryHeap<Reverse<(Micros, Box<[u8]>)>>,
    encoded: Rows,
    watermark: Micros,
}

/// What `sent` holds for a key.
const SENT: &[u8] = &[1];

impl KeepFirstOperator {
    pub(crate) fn new(
        node: &DeduplicateNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        require_time(&inputs[0], node.time)?;
        let mut waiting = ctx.table("waiting");
        let mut due = BinaryHeap::new();
        waiting.scan(0, |_, key, value| due.push(Reverse((split(value).0, key.into()))))?;
        Ok(Self {
            keys: Keys::new(&inputs[0], node.keys.clone())?,
            time: node.time,
            codec: codec_of_all(&inputs[0])?,
            output: output.clone(),
            sent: ctx.table("sent"),
            waiting,
            due,
            encoded: Rows::new(),
            watermark: ctx.watermark,
        })
    }

    /// Takes the rows out that are before the watermark.
    fn in_time(&self, batch: Batch, out: &mut Output) -> Result<Batch, JobError> {
        let times = Times::new(&batch.rows, self.time)?;
        let late = |row: usize| {
            let time = times.get(row, Micros::MIN);
            time < self.watermark || time == Micros::MIN
        };
        if !(0..batch.len()).any(late) {
            return Ok(batch);
        }
        let is_late: BooleanArray = (0..batch.len()).map(|row| Some(late(row))).collect();
        out.push_late(filter_record_batch(&batch.rows, &is_late)?);
        batch.filter(&arrow::compute::not(&is_late)?)
    }
}

impl Operator for KeepFirstOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let batch = self.in_time(batch, out)?;
        if batch.is_empty() {
            return Ok(());
        }
        self.keys.encode(&batch.rows)?;
        let times = Times::new(&batch.rows, self.time)?;
        let time = |row: usize| times.get(row, Micros::MIN);
        let mut new = Vec::new();
        for row in offered(0..batch.len(), &self.keys, None, time, Keep::First) {
            if self.sent.get(0, Key::new(self.keys.get(row as usize)))?.is_none() {
                new.push(row);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let rows = batch.take(&UInt32Array::from(new.clone()))?.rows;
        self.encoded.clear();
        self.codec.encode(rows.columns(), &mut self.encoded)?;
        for (place, row) in new.into_iter().enumerate() {
            let key = Key::new(self.keys.get(row as usize));
            let (time, encoded) = (time(row as usize), self.encoded.get(place));
            let waits = self.waiting.update(0, key, |value| {
                let waits = value.is_empty() || Keep::First.replaces(split(value).0, time);
                if waits {
                    write(value, time, encoded);
                }
                waits
            })?;
            if waits {
                self.due.push(Reverse((time, key.bytes.into())));
            }
        }
        Ok(())
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        let mut rows = Rows::new();
        while self.due.peek().is_some_and(|Reverse((time, _))| *time <= watermark) {
            let Some(Reverse((time, bytes))) = self.due.pop() else { break };
            let key = Key::new(&bytes);
            let Some(value) = self.waiting.get(0, key)? else { continue };
            let (at, row) = split(value);
            if at == time {
                rows.push(row);
                self.waiting.remove(0, key)?;
                self.sent.put(0, key, SENT)?;
            }
        }
        if !rows.is_empty() {
            let columns = self.codec.decode(rows.iter())?;
            out.push(Batch::append(rows_of(&self.output, columns, rows.len())?));
        }
        self.watermark = watermark;
        Ok(watermark)
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.sent, &mut self.waiting]
    }
}
