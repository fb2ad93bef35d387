//! Joins the rows of two inputs that have the same key and the same window.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use millrace_plan::WindowJoinNode;
use millrace_state::{KEY_GROUPS, KeyGroup, RowCodec, Rows, Table, hash};

use super::columns::{micros, require_time};
use super::join_output::{JoinOutput, require_same_types};
use super::keys::{Keys, codec_of_all};
use super::late::without_late;
use super::row_log::RowLog;
use super::window_match::{join, write_entry};
use crate::{Batch, JobError, Micros, Operator, OperatorContext, Output};

/// Bytes of rows that are joined at a time: bounds memory, and makes batches of a good size.
const JOINED_BYTES: usize = 1 << 20;

/// Runs a [`WindowJoinNode`].
///
/// State: a [`RowLog`] for each side at the end of each window. Rows are put there without looking
/// at other rows; when the window closes, the logs of a key group are matched and only then
/// decoded.
pub(crate) struct WindowJoinOperator {
    sides: [Side; 2],
    output: JoinOutput,
    watermark: Micros,
}

/// One input.
struct Side {
    keys: Keys,
    window: (usize, usize),
    codec: RowCodec,
    log: RowLog,
    encoded: Rows,
    /// Entries of a batch by key group.
    groups: Vec<Vec<u8>>,
}

impl WindowJoinOperator {
    pub(crate) fn new(
        node: &WindowJoinNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        require_same_types(&node.on, inputs)?;
        let (left, right) = node.on.iter().copied().unzip();
        let left = Side::new(&inputs[0], left, node.left_window, ctx.table("left"))?;
        let right = Side::new(&inputs[1], right, node.right_window, ctx.table("right"))?;
        let filter = node.filter.clone();
        let output = JoinOutput::new(&ctx.operator.0, node.kind, filter, inputs, output);
        Ok(Self { sides: [left, right], output, watermark: ctx.watermark })
    }

    /// Joins the windows that end at `end` and forgets their rows.
    fn close(&mut self, end: Micros, out: &mut Output) -> Result<(), JobError> {
        let [left, right] = &mut self.sides;
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for group in 0..KEY_GROUPS {
            left.log.read(end, group, &mut lefts)?;
            right.log.read(end, group, &mut rights)?;
            let last = group + 1 == KEY_GROUPS;
            if last || lefts.len() + rights.len() >= JOINED_BYTES {
                let codecs = [&left.codec, &right.codec];
                join(&self.output, codecs, [&lefts, &rights], out)?;
                lefts.clear();
                rights.clear();
            }
        }
        left.log.clear(end)?;
        right.log.clear(end)
    }
}

impl Side {
    fn new(
        schema: &SchemaRef,
        on: Vec<usize>,
        window: (usize, usize),
        table: Table,
    ) -> Result<Self, JobError> {
        require_time(schema, window.0)?;
        require_time(schema, window.1)?;
        Ok(Self {
            keys: Keys::new(schema, on)?,
            window,
            codec: codec_of_all(schema)?,
            log: RowLog::new(table)?,
            encoded: Rows::new(),
            groups: vec![Vec::new(); usize::from(KEY_GROUPS)],
        })
    }

    fn add(&mut self, batch: &Batch) -> Result<(), JobError> {
        let rows = &batch.rows;
        self.keys.encode(rows)?;
        self.encoded.clear();
        self.codec.encode(rows.columns(), &mut self.encoded)?;
        let (starts, ends) = (micros(rows, self.window.0)?, micros(rows, self.window.1)?);
        let mut by_end: BTreeMap<Micros, Vec<usize>> = BTreeMap::new();
        for (row, end) in ends.iter().enumerate() {
            by_end.entry(*end).or_default().push(row);
        }
        for (end, members) in by_end {
            for row in members {
                let key = self.keys.get(row);
                let group = KeyGroup::of(hash(key));
                let matches = !self.keys.has_null(rows, row);
                let entries = &mut self.groups[usize::from(group.0)];
                write_entry(matches.then_some((key, starts[row])), self.encoded.get(row), entries);
            }
            for (group, entries) in (0_u16..).zip(&mut self.groups) {
                if !entries.is_empty() {
                    self.log.append(end, KeyGroup(group), entries)?;
                    entries.clear();
                }
            }
        }
        Ok(())
    }
}

impl Operator for WindowJoinOperator {
    fn process(&mut self, port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let side = &mut self.sides[port];
        let batch = without_late(batch, side.window.1, self.watermark, out)?;
        if batch.is_empty() {
            return Ok(());
        }
        side.add(&batch)
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        loop {
            let first = self.sides.iter().filter_map(|side| side.log.first()).min();
            let Some(end) = first.filter(|end| *end <= watermark) else { break };
            self.close(end, out)?;
        }
        self.watermark = watermark;
        Ok(watermark)
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        self.sides.iter_mut().map(|side| side.log.table()).collect()
    }
}
