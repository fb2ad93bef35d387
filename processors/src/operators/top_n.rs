//! The best rows of each partition, kept up to date as a changelog.

use arrow::datatypes::SchemaRef;
use hashbrown::HashTable;

use millrace_plan::{Changes, TopNNode};
use millrace_state::{Key, Table};

use super::ranked::{RankedInput, RankedOutput};
use super::ranking::{admits, insert, prefix, remove};
use crate::{Batch, JobError, Operator, OperatorContext, Output};

/// Runs a [`TopNNode`] without a window.
///
/// State: the ranking of each partition; of an append-only input only the rows that are shown or
/// above, of a changelog all rows, since any may move up. Changes are sent once per batch.
///
/// When rows are identified by partition (and number), a number's row is replaced. When they are
/// identified by what they hold, those that left the ranking are deleted, then the new ones inserted.
pub(crate) struct TopNOperator {
    input: RankedInput,
    output: RankedOutput,
    table: Table,
    /// How many rows of a partition are kept.
    limit: usize,
    /// How many rows of a partition are looked at for output.
    shown: usize,
    by_number: bool,
}

/// A partition that changed, and its ranking when the batch came.
struct Touched {
    /// A row of the batch that is in the partition.
    row: usize,
    hash: u64,
    before: Vec<u8>,
}

impl TopNOperator {
    pub(crate) fn new(
        node: &TopNNode,
        input_changes: &Changes,
        output_changes: &Changes,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        let shown = usize::try_from(node.to).unwrap_or(usize::MAX);
        let limit = match input_changes {
            Changes::Append => shown,
            Changes::Retract(_) => usize::MAX,
            Changes::Upsert(_) => {
                let message = "a Top-N of rows that change needs the rows that were replaced";
                return Err(JobError::Unsupported(message.to_owned()));
            }
        };
        let key = output_changes.key().unwrap_or_default();
        let by_partition =
            key.len() == node.partition.len() && key.iter().all(|c| node.partition.contains(c));
        Ok(Self {
            input: RankedInput::new(node, &inputs[0])?,
            output: RankedOutput::new(node, &inputs[0], output)?,
            table: ctx.table("ranking"),
            limit,
            shown,
            by_number: node.number || by_partition,
        })
    }
}

impl Operator for TopNOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        self.input.encode(&batch)?;
        let mut touched: Vec<Touched> = Vec::new();
        let mut places: HashTable<usize> = HashTable::new();
        for row in 0..batch.len() {
            // A rejected row costs one lookup and one comparison.
            let old = self.table.get(0, Key::new(self.input.keys.get(row)))?.unwrap_or_default();
            let retracts = batch.kind(row).is_retraction();
            if !retracts && !admits(old, self.limit, self.input.order.get(row)) {
                continue;
            }
            let keys = &self.input.keys;
            let key = Key::new(keys.get(row));
            let same = |place: &usize| keys.get(touched[*place].row) == key.bytes;
            if places.find(key.hash, same).is_none() {
                let before = prefix(old, self.shown);
                places.insert_unique(key.hash, touched.len(), |place| touched[*place].hash);
                touched.push(Touched { row, hash: key.hash, before });
            }
            self.input.encode_rows(&batch)?;
            let (limit, input) = (self.limit, &self.input);
            let (order, encoded) = (input.order.get(row), input.row(row));
            let key = Key::new(input.keys.get(row));
            self.table.update(0, key, |ranking| {
                if retracts {
                    remove(ranking, order, encoded);
                } else {
                    insert(ranking, limit, order, encoded);
                }
            })?;
        }
        for Touched { row, before, .. } in touched {
            let key = Key::new(self.input.keys.get(row));
            let after = self.table.get(0, key)?.unwrap_or_default();
            if self.by_number {
                self.output.add_by_number(&before, after);
            } else {
                self.output.add_by_row(&before, after);
            }
        }
        self.output.send(false, out)
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
}
