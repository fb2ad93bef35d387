//! The last row of each key by event time, as a changelog.

use arrow::array::UInt32Array;
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;

use millrace_plan::DeduplicateNode;
use millrace_state::{Key, RowCodec, Rows, Table};

use super::columns::{require_time, rows_of};
use super::deduplicate::{Keep, Times, offered, split, write};
use super::keys::{Keys, codec_of_all};
use crate::{Batch, JobError, Micros, Operator, OperatorContext, Output, RowKind};

/// Runs a [`DeduplicateNode`] that keeps the last row, without a window.
///
/// State: the time of each key's row, and the row itself if readers need replaced rows. A row is
/// never late: it is ignored if it is older than the one known.
pub(crate) struct KeepLastOperator {
    keys: Keys,
    time: usize,
    codec: RowCodec,
    emit_before: bool,
    table: Table,
    encoded: Rows,
}

impl KeepLastOperator {
    pub(crate) fn new(
        node: &DeduplicateNode,
        inputs: &[SchemaRef],
        _output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        require_time(&inputs[0], node.time)?;
        // What is held differs, so the state of one must not be read as that of the other.
        let name = if node.emit_before { "last_row" } else { "last_time" };
        Ok(Self {
            keys: Keys::new(&inputs[0], node.keys.clone())?,
            time: node.time,
            codec: codec_of_all(&inputs[0])?,
            emit_before: node.emit_before,
            table: ctx.table(name),
            encoded: Rows::new(),
        })
    }

    /// `rows` of the batch, each update after the row that it replaces.
    fn with_replaced(
        &self,
        rows: &Batch,
        kinds: &[RowKind],
        replaced: &Rows,
    ) -> Result<Batch, JobError> {
        let old = self.codec.decode(replaced.iter())?;
        let new = rows.rows.columns();
        let columns = old.iter().zip(new).map(|(old, new)| concat(&[old, new]));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let (mut places, mut all) = (Vec::new(), Vec::new());
        let (mut next_old, mut next_new) = (0_u32, u32::try_from(replaced.len()).expect("fits"));
        for kind in kinds {
            if *kind == RowKind::UpdateAfter {
                places.push(next_old);
                all.push(RowKind::UpdateBefore);
                next_old += 1;
            }
            places.push(next_new);
            all.push(*kind);
            next_new += 1;
        }
        let both = rows_of(&rows.rows.schema(), columns, replaced.len() + rows.len())?;
        let ordered = Batch::append(both).take(&UInt32Array::from(places))?;
        Ok(Batch::changes(ordered.rows, &all))
    }
}

impl Operator for KeepLastOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        self.keys.encode(&batch.rows)?;
        let times = Times::new(&batch.rows, self.time)?;
        let time = |row: usize| times.get(row, Micros::MIN);
        let best = offered(0..batch.len(), &self.keys, None, time, Keep::Last);
        self.encoded.clear();
        if self.emit_before {
            self.codec.encode(batch.rows.columns(), &mut self.encoded)?;
        }
        let (mut taken, mut kinds) = (Vec::with_capacity(best.len()), Vec::new());
        let mut replaced = Rows::new();
        for number in best {
            let row = number as usize;
            let new = time(row);
            let encoded = if self.emit_before { self.encoded.get(row) } else { &[] };
            let kind = self.table.update(0, Key::new(self.keys.get(row)), |value| {
                if value.is_empty() {
                    write(value, new, encoded);
                    return Some(RowKind::Insert);
                }
                let (old, known) = split(value);
                if !Keep::Last.replaces(old, new) {
                    return None;
                }
                if self.emit_before {
                    replaced.push(known);
                }
                write(value, new, encoded);
                Some(RowKind::UpdateAfter)
            })?;
            if let Some(kind) = kind {
                taken.push(number);
                kinds.push(kind);
            }
        }
        let all = taken.len() == batch.len();
        let rows = if all { batch.rows } else { batch.take(&UInt32Array::from(taken))?.rows };
        let rows = Batch::changes(rows, &kinds);
        let none_replaced = replaced.is_empty();
        out.push(if none_replaced { rows } else { self.with_replaced(&rows, &kinds, &replaced)? });
        Ok(())
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
}
