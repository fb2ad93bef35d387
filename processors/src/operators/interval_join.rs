//! Joins rows of the same key whose event times are near to each other.

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use millrace_plan::{IntervalJoinNode, JoinKind};
use millrace_state::{Key, RowCodec, Rows, Table};

use super::columns::{micros, require_time};
use super::interval_state::{IntervalState, Place};
use super::join_output::{JoinOutput, PAIRS, require_same_types};
use super::keys::{Keys, codec_of_all};
use crate::{
    Batch, END_OF_TIME, JobError, Micros, NO_WATERMARK, Operator, OperatorContext, Output,
};

/// Shortest stretch of time that is one namespace of state.
const LEAST_WIDTH: Micros = 100_000;

/// Stretches of output without partners per namespace: a row is sent at most a fourth of a
/// namespace's width after it is certain.
const SWEEPS: Micros = 4;

/// Runs an [`IntervalJoinNode`].
///
/// A row looks for partners among the rows kept of the other side when it comes, and pairs are sent
/// at once; then it is kept until the watermark says that no partner can come. A row that an outer
/// join keeps is sent by itself when that is certain.
///
/// Rows before the watermark are joined as far as their partners are kept (as in Flink), and kept
/// if partners may come; one that does neither is late. The watermark of the output is held back
/// by what the rows sent may be behind: by the bounds, and for outer joins by the pace of sweeps.
pub(crate) struct IntervalJoinOperator {
    sides: [Side; 2],
    output: JoinOutput,
    watermark: Micros,
    sweep: Micros,
    delay: Micros,
}

/// One input.
struct Side {
    keys: Keys,
    time: usize,
    codec: RowCodec,
    state: IntervalState,
    encoded: Rows,
}

impl Side {
    fn new(
        schema: &SchemaRef,
        on: Vec<usize>,
        time: usize,
        state: IntervalState,
    ) -> Result<Self, JobError> {
        require_time(schema, time)?;
        let (keys, codec) = (Keys::new(schema, on)?, codec_of_all(schema)?);
        Ok(Self { keys, time, codec, state, encoded: Rows::new() })
    }
}

/// Pairs found and not sent.
#[derive(Default)]
struct Found {
    /// Rows of the batch.
    rows: Vec<u32>,
    partners: Rows,
    /// Where the partners are, to be marked; without those that are marked.
    places: Vec<Option<Place>>,
}

impl IntervalJoinOperator {
    pub(crate) fn new(
        node: &IntervalJoinNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        if matches!(node.kind, JoinKind::Semi | JoinKind::Anti) {
            let message = "an interval join that keeps only rows of the left".to_owned();
            return Err(JobError::Unsupported(message));
        }
        require_same_types(&node.on, inputs)?;
        let (lower, upper) = (node.lower_us, node.upper_us);
        let width = (upper.saturating_sub(lower) / 2).max(LEAST_WIDTH);
        let (left, right) = node.on.iter().copied().unzip();
        let state = IntervalState::new(ctx.table("left"), width, lower, upper);
        let left = Side::new(&inputs[0], left, node.left_time, state)?;
        let state = IntervalState::new(ctx.table("right"), width, -upper, -lower);
        let right = Side::new(&inputs[1], right, node.right_time, state)?;
        let name = &ctx.operator.0;
        let output = JoinOutput::new(name, node.kind, node.filter.clone(), inputs, output);
        let sweep = width / SWEEPS;
        let behind = |port: usize, bound: Micros| {
            bound.saturating_add(if output.keeps_unmatched(port) { sweep } else { 0 })
        };
        let delay = behind(0, upper).max(behind(1, -lower)).max(0);
        Ok(Self { sides: [left, right], output, watermark: ctx.watermark, sweep, delay })
    }

    /// Up to where rows without partners have been sent when the watermark is `watermark`.
    fn swept(&self, watermark: Micros) -> Micros {
        if watermark == END_OF_TIME || watermark == NO_WATERMARK {
            return watermark;
        }
        watermark.div_euclid(self.sweep).saturating_mul(self.sweep)
    }

    /// Joins a batch with the rows kept of the other side; says which of its rows have partners.
    fn probe(
        &mut self,
        port: usize,
        batch: &Batch,
        joinable: &[bool],
        out: &mut Output,
    ) -> Result<Vec<bool>, JobError> {
        let mut matched = vec![false; batch.len()];
        let mut found = Found::default();
        let times = micros(&batch.rows, self.sides[port].time)?;
        for (row, number) in (0..batch.len()).zip(0_u32..) {
            if !joinable[row] {
                continue;
            }
            let [left, right] = &mut self.sides;
            let (own, other) = if port == 0 { (left, right) } else { (right, left) };
            let key = Key::new(own.keys.get(row));
            other.state.find(key, own.state.partners(times[row]), |place, entry| {
                found.rows.push(number);
                found.partners.push(entry.row);
                // Also by inner joins, which do not ask: the next version of the query may be
                // outer.
                found.places.push((!entry.marked).then_some(place));
            })?;
            if found.rows.len() >= PAIRS {
                self.send_pairs(port, batch, &mut found, &mut matched, out)?;
            }
        }
        self.send_pairs(port, batch, &mut found, &mut matched, out)?;
        Ok(matched)
    }

    fn send_pairs(
        &mut self,
        port: usize,
        batch: &Batch,
        found: &mut Found,
        matched: &mut [bool],
        out: &mut Output,
    ) -> Result<(), JobError> {
        let Found { rows, partners, places } = std::mem::take(found);
        if rows.is_empty() {
            return Ok(());
        }
        let other: Vec<ArrayRef> = self.sides[1 - port].codec.decode(partners.iter())?;
        let all: Vec<u32> = (0_u32..).take(rows.len()).collect();
        let own = (batch.rows.columns(), rows.clone());
        let other = (other.as_slice(), all);
        let (left, right) = if port == 0 { (own, other) } else { (other, own) };
        let passes = self.output.pairs(left, right, out)?;
        let [left, right] = &mut self.sides;
        let (own, other) = if port == 0 { (left, right) } else { (right, left) };
        for (pair, (row, place)) in rows.into_iter().zip(places).enumerate() {
            if passes.as_ref().is_some_and(|passes| !passes.value(pair)) {
                continue;
            }
            matched[row as usize] = true;
            if let Some(place) = place {
                other.state.mark(Key::new(own.keys.get(row as usize)), place)?;
            }
        }
        Ok(())
    }

    /// Keeps the rows of a batch for partners to come; sends or counts those that have none.
    fn keep(
        &mut self,
        port: usize,
        batch: &Batch,
        joinable: &[bool],
        matched: &[bool],
        out: &mut Output,
    ) -> Result<(), JobError> {
        let watermark = self.watermark;
        let outer = self.output.keeps_unmatched(port);
        let side = &mut self.sides[port];
        side.encoded.clear();
        side.codec.encode(batch.rows.columns(), &mut side.encoded)?;
        let times = micros(&batch.rows, side.time)?;
        let has_time = batch.rows.column(side.time);
        let mut alone: Vec<u32> = Vec::new();
        let mut late: Vec<usize> = Vec::new();
        for (row, number) in (0..batch.len()).zip(0_u32..) {
            let time = times[row];
            if joinable[row] && !side.state.is_over(time, watermark) {
                let key = Key::new(side.keys.get(row));
                side.state.add(key, time, matched[row], side.encoded.get(row))?;
            } else if !matched[row] {
                if has_time.is_valid(row) && time < watermark {
                    late.push(row);
                } else if outer {
                    alone.push(number);
                }
            }
        }
        if !alone.is_empty() {
            let rows = batch.take(&UInt32Array::from(alone))?.rows;
            self.output.alone(port, rows.columns().to_vec(), rows.num_rows(), out)?;
        }
        if !late.is_empty() {
            let mut mask = vec![false; batch.len()];
            for row in late {
                mask[row] = true;
            }
            out.push_late(filter_record_batch(&batch.rows, &BooleanArray::from(mask))?);
        }
        Ok(())
    }
}

impl Operator for IntervalJoinOperator {
    fn process(&mut self, port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let side = &mut self.sides[port];
        side.keys.encode(&batch.rows)?;
        let times = batch.rows.column(side.time);
        let joinable: Vec<bool> = (0..batch.len())
            .map(|row| times.is_valid(row) && !side.keys.has_null(&batch.rows, row))
            .collect();
        let matched = self.probe(port, &batch, &joinable, out)?;
        self.keep(port, &batch, &joinable, &matched, out)
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        let sweep = self.swept(watermark);
        let sweeps = sweep > self.swept(self.watermark);
        for port in 0..2 {
            let side = &mut self.sides[port];
            if !self.output.keeps_unmatched(port) {
                side.state.drop_over(watermark)?;
            } else if sweeps {
                let mut rows = Rows::new();
                side.state.take_unmatched(sweep, &mut rows)?;
                side.state.drop_over(sweep)?;
                if !rows.is_empty() {
                    let columns = side.codec.decode(rows.iter())?;
                    self.output.alone(port, columns, rows.len(), out)?;
                }
            }
        }
        self.watermark = watermark;
        if watermark == END_OF_TIME {
            return Ok(watermark);
        }
        Ok(watermark.saturating_sub(self.delay))
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        self.sides.iter_mut().map(|side| &mut side.state.table).collect()
    }
}
