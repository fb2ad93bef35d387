//! Tumbling, hopping, cumulating and attached windows.

use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::SchemaRef;

use millrace_plan::{WindowAggregateNode, WindowKind, Windows};
use millrace_state::{Key, KeyGroup, Table, hash};

use super::cells::Cells;
use super::emit::{Emitter, Fired, key_types};
use super::fire::{due, last_end, merge_panes, next_end, take_merged, take_single};
use super::placement::Placement;
use crate::operators::aggregate::{AggregateSet, Distinct, DistinctTable, Grouper, Input, States};
use crate::operators::columns::WINDOW_TIME_BEFORE_END;
use crate::{
    Batch, END_OF_TIME, JobError, Micros, NO_WATERMARK, Operator, OperatorContext, Output,
};

/// Groups that fire are sent on when there are this many.
const FIRED: usize = 65_536;

/// Aggregates rows per key and pane, and fires windows.
///
/// Table `panes`: namespace = start of the pane, or end of an attached window; key = the key, then
/// the start of an attached window (8 bytes, little-endian); value = state. Table `distinct`: see
/// [`DistinctTable`]. Which windows have fired follows from the watermark.
pub(crate) struct WindowAggregateOperator {
    operator: String,
    windows: Windows,
    keys: Vec<usize>,
    set: AggregateSet,
    table: Table,
    distinct: Option<DistinctTable>,
    emitter: Emitter,
    watermark: Micros,
    /// No window fires before this watermark.
    due: Micros,
    grouper: Grouper,
    placement: Placement,
    cells: Cells,
    states: States,
}

impl WindowAggregateOperator {
    pub(crate) fn new(
        node: &WindowAggregateNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        // Sets of values that must be merged with those of other panes live in the states.
        let merges = matches!(
            node.windows,
            Windows::Assigned { window: WindowKind::Hop { .. } | WindowKind::Cumulate { .. }, .. }
        );
        let place = if merges { Distinct::States } else { Distinct::Table };
        let (set, sets) = AggregateSet::new(&node.aggregates, place)?;
        let distinct = if sets.is_empty() {
            None
        } else {
            Some(DistinctTable::new(sets, false, ctx.table("distinct"))?)
        };
        let grouper = Grouper::new(&key_types(&inputs[0], &node.keys))?;
        Ok(Self {
            operator: ctx.operator.0.clone(),
            windows: node.windows.clone(),
            keys: node.keys.clone(),
            table: ctx.table("panes"),
            distinct,
            emitter: Emitter::new(grouper.codec().clone(), output.clone()),
            watermark: ctx.watermark,
            due: Micros::MIN,
            grouper,
            placement: Placement::default(),
            cells: Cells::default(),
            states: set.states(),
            set,
        })
    }

    /// Takes out the rows that are too late, and places the others.
    fn place(&mut self, batch: Batch, out: &mut Output) -> Result<RecordBatch, JobError> {
        if (0..batch.len()).any(|row| batch.kinds.is_some() && batch.kind(row).is_retraction()) {
            let why = "a windowed aggregate over rows that are taken back";
            return Err(JobError::Unsupported(why.to_owned()));
        }
        let rows = batch.rows;
        let Some(in_time) = self.placement.place(&self.windows, &rows, self.watermark)? else {
            return Ok(rows);
        };
        out.push_late(filter_record_batch(&rows, &not(&in_time)?)?);
        Ok(filter_record_batch(&rows, &in_time)?)
    }

    fn aggregate(&mut self, rows: &RecordBatch) -> Result<(), JobError> {
        let Self { grouper, placement, cells, states, set, distinct, table, .. } = self;
        let keys: Vec<_> = self.keys.iter().map(|key| rows.column(*key).clone()).collect();
        grouper.group(&keys, rows.num_rows())?;
        cells.assign(grouper, &placement.of_row, placement.panes.len());
        let groups = cells.of_row(grouper);
        let key_of = |cell: u32, bytes: &mut Vec<u8>| {
            let cell = cells.all()[cell as usize];
            let (pane, key) = (placement.panes[cell.pane as usize], grouper.key(cell.key as usize));
            bytes.extend_from_slice(key);
            if let Some(start) = pane.start {
                bytes.extend_from_slice(&start.to_le_bytes());
            }
            (pane.namespace, KeyGroup::of(hash(key)))
        };
        if let Some(distinct) = distinct {
            distinct.resolve(rows.columns(), groups, None, &key_of)?;
        }
        states.reset(cells.all().len());
        let news = distinct.as_ref().map_or(&[][..], DistinctTable::news);
        set.update(&Input { columns: rows.columns(), groups, retracts: None, news }, states)?;
        let mut bytes = Vec::new();
        for (number, cell) in cells.all().iter().enumerate() {
            let pane = placement.panes[cell.pane as usize];
            let merge = |into: &mut Vec<u8>| set.merge_into(into, states, number);
            if pane.start.is_none() {
                let key = Key::new(grouper.key(cell.key as usize));
                table.update(pane.namespace, key, merge)??;
            } else {
                bytes.clear();
                let cell = u32::try_from(number).expect("no more cells than rows");
                let (namespace, group) = key_of(cell, &mut bytes);
                table.update(namespace, Key::within(group, &bytes), merge)??;
            }
        }
        self.due = placement.panes.iter().map(|pane| pane.due).fold(self.due, Micros::min);
        Ok(())
    }

    fn fire(&mut self, to: Micros, out: &mut Output) -> Result<(), JobError> {
        let mut fired = Fired::new(self.set.states());
        let window = match &self.windows {
            Windows::Assigned {
                window: window @ (WindowKind::Hop { .. } | WindowKind::Cumulate { .. }),
                ..
            } => *window,
            _ => return self.fire_single(to, fired, out),
        };
        let panes = self.table.namespaces(Micros::MIN, Micros::MAX)?;
        for (end, start) in due(&window, &panes, self.watermark, to) {
            if let WindowKind::Cumulate { step, .. } = window {
                for pane in self.table.namespaces(start + 1, end)? {
                    debug_assert!(pane >= end - step || pane > start, "merged one by one");
                    merge_panes(&mut self.table, &self.set, pane, start)?;
                }
            }
            take_merged(&mut self.table, &self.set, (start, end), &mut fired)?;
            if fired.states.len() >= FIRED {
                self.emitter.emit(&fired, &self.set, out)?;
                fired = Fired::new(self.set.states());
            }
        }
        self.emitter.emit(&fired, &self.set, out)?;
        for pane in self.table.namespaces(Micros::MIN, Micros::MAX)? {
            if last_end(&self.windows, pane) <= to {
                self.drop_pane(pane)?;
            }
        }
        Ok(())
    }

    /// Fires windows that are one pane each.
    fn fire_single(
        &mut self,
        to: Micros,
        mut fired: Fired,
        out: &mut Output,
    ) -> Result<(), JobError> {
        for pane in self.table.namespaces(Micros::MIN, Micros::MAX)? {
            if last_end(&self.windows, pane) > to {
                break;
            }
            take_single(&mut self.table, pane, &self.windows, &mut fired)?;
            self.drop_pane(pane)?;
            if fired.states.len() >= FIRED {
                self.emitter.emit(&fired, &self.set, out)?;
                fired = Fired::new(self.set.states());
            }
        }
        self.emitter.emit(&fired, &self.set, out)
    }

    fn drop_pane(&mut self, pane: Micros) -> Result<(), JobError> {
        self.table.drop_namespace(pane)?;
        if let Some(distinct) = &mut self.distinct {
            distinct.table().drop_namespace(pane)?;
        }
        Ok(())
    }

    fn next_due(&mut self, watermark: Micros) -> Result<Micros, JobError> {
        let panes = self.table.namespaces(Micros::MIN, Micros::MAX)?;
        let ends = panes.iter().filter_map(|pane| next_end(&self.windows, *pane, watermark));
        Ok(ends.min().unwrap_or(Micros::MAX))
    }
}

impl Operator for WindowAggregateOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        let rows = self.place(batch, out)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.aggregate(&rows).map_err(|error| error.of(&self.operator))
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        if watermark >= self.due {
            self.fire(watermark, out).map_err(|error| error.of(&self.operator))?;
            self.due = self.next_due(watermark)?;
        }
        self.watermark = watermark;
        Ok(passed_on(&self.windows, watermark))
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        let distinct = self.distinct.as_mut().map(DistinctTable::table);
        std::iter::once(&mut self.table).chain(distinct).collect()
    }
}

/// The watermark of the results. Their time, `window_time`, is a little before the end at which
/// they come: while the watermark is in between, it must not overtake them. Attached windows are
/// taken to end at whole milliseconds.
fn passed_on(windows: &Windows, watermark: Micros) -> Micros {
    if matches!(watermark, NO_WATERMARK | END_OF_TIME) {
        return watermark;
    }
    let next_end = match windows {
        Windows::Assigned { window, .. } => {
            window.pane_start(watermark).saturating_add(window.pane().unwrap_or_default())
        }
        Windows::Attached { .. } => {
            let whole = watermark.saturating_sub(watermark.rem_euclid(WINDOW_TIME_BEFORE_END));
            whole.saturating_add(WINDOW_TIME_BEFORE_END)
        }
    };
    watermark.min(next_end.saturating_sub(WINDOW_TIME_BEFORE_END))
}
