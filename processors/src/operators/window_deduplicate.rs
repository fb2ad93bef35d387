//! The first or last row of each key of each window, sent when the window closes.

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;

use millrace_plan::DeduplicateNode;
use millrace_state::{RowCodec, Rows, Table};

use super::columns::{micros, require_time, rows_of};
use super::deduplicate::{Keep, Times, offered, split, write};
use super::keys::{Keys, WindowKey, codec_of_all};
use super::late::without_late;
use crate::{Batch, JobError, Micros, Operator, OperatorContext, Output};

/// Greatest number of rows of a batch that is made of state.
const BATCH_ROWS: usize = 8_192;

/// Runs a [`DeduplicateNode`] with a window. State: the row of each key, at the window's end.
pub(crate) struct WindowDeduplicateOperator {
    keys: Keys,
    key: WindowKey,
    time: usize,
    window: (usize, usize),
    keep: Keep,
    codec: RowCodec,
    output: SchemaRef,
    table: Table,
    encoded: Rows,
    watermark: Micros,
}

impl WindowDeduplicateOperator {
    pub(crate) fn new(
        node: &DeduplicateNode,
        window: (usize, usize),
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        for column in [node.time, window.0, window.1] {
            require_time(&inputs[0], column)?;
        }
        Ok(Self {
            keys: Keys::new(&inputs[0], node.keys.clone())?,
            key: WindowKey::default(),
            time: node.time,
            window,
            keep: Keep::of(node.keep_last),
            codec: codec_of_all(&inputs[0])?,
            output: output.clone(),
            table: ctx.table(if node.keep_last { "last" } else { "first" }),
            encoded: Rows::new(),
            watermark: ctx.watermark,
        })
    }

    /// The time that loses against all others, for a row without one.
    fn no_time(&self) -> Micros {
        match self.keep {
            Keep::First => Micros::MAX,
            Keep::Last => Micros::MIN,
        }
    }

    fn send(&self, rows: &mut Rows, out: &mut Output) -> Result<(), JobError> {
        if !rows.is_empty() {
            let columns = self.codec.decode(rows.iter())?;
            out.push(Batch::append(rows_of(&self.output, columns, rows.len())?));
            rows.clear();
        }
        Ok(())
    }
}

impl Operator for WindowDeduplicateOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let batch = without_late(batch, self.window.1, self.watermark, out)?;
        if batch.is_empty() {
            return Ok(());
        }
        self.keys.encode(&batch.rows)?;
        let starts = micros(&batch.rows, self.window.0)?;
        let ends = micros(&batch.rows, self.window.1)?;
        let (times, none) = (Times::new(&batch.rows, self.time)?, self.no_time());
        let time = |row: usize| times.get(row, none);
        // Windows that begin together and end apart (cumulating ones) are told apart by their ends.
        let mut by_end: Vec<usize> = (0..batch.len()).collect();
        by_end.sort_by_key(|row| ends[*row]);
        let mut best = Vec::new();
        for same_end in by_end.chunk_by(|a, b| ends[*a] == ends[*b]) {
            let rows = same_end.iter().copied();
            best.extend(offered(rows, &self.keys, Some(starts), time, self.keep));
        }
        let rows = batch.take(&UInt32Array::from(best.clone()))?.rows;
        self.encoded.clear();
        self.codec.encode(rows.columns(), &mut self.encoded)?;
        for (place, row) in best.into_iter().map(|row| row as usize).enumerate() {
            let (new, encoded, keep) = (time(row), self.encoded.get(place), self.keep);
            let key = self.key.of(self.keys.get(row), starts[row]);
            self.table.update(ends[row], key, |value| {
                if value.is_empty() || keep.replaces(split(value).0, new) {
                    write(value, new, encoded);
                }
            })?;
        }
        Ok(())
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        let mut rows = Rows::new();
        while let Some(end) = self.table.first_namespace()?.filter(|end| *end <= watermark) {
            self.table.scan(end, |_, _, value| rows.push(split(value).1))?;
            self.table.drop_namespace(end)?;
            if rows.len() >= BATCH_ROWS {
                self.send(&mut rows, out)?;
            }
        }
        self.send(&mut rows, out)?;
        self.watermark = watermark;
        Ok(watermark)
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
}
