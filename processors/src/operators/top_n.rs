//! The best rows of each partition, kept up to date as a changelog.

use arrow::datatypes::SchemaRef;
use hashbrown::HashTable;

use millrace_plan::{Changes, TopNNode};
use millrace_state::{Key, Table};

use super::keys::Keys;
use super::paged_ranking::PagedRankings;
use super::ranked::{RankedInput, RankedOutput};
use super::ranking::{admits, insert, prefix};
use crate::{Batch, JobError, Operator, OperatorContext, Output};

/// Runs a [`TopNNode`] without a window. Changes are sent once per batch.
///
/// When rows are identified by partition (and number), a number's row is replaced. When they are
/// identified by what they hold, those that left the ranking are deleted, then the new ones
/// inserted.
pub(crate) struct TopNOperator {
    input: RankedInput,
    output: RankedOutput,
    state: State,
    /// How many rows of a partition are looked at for output.
    shown: usize,
    by_number: bool,
}

/// The rankings of all partitions.
enum State {
    /// Of an append-only input: so many rows of each, since no row moves up.
    Best(Table, usize),
    /// Of a changelog: all rows.
    All(PagedRankings),
}

/// A partition that changed, and its best rows when the batch came.
struct Touched {
    /// A row of the batch that is in the partition.
    row: usize,
    hash: u64,
    before: Vec<u8>,
}

/// The partitions that a batch changed, in the order in which it did.
#[derive(Default)]
struct Changed {
    touched: Vec<Touched>,
    places: HashTable<usize>,
}

impl Changed {
    /// Notes the partition of `row`, with its rows `before` unless it was noted already.
    fn note(
        &mut self,
        keys: &Keys,
        row: usize,
        before: impl FnOnce() -> Result<Vec<u8>, JobError>,
    ) -> Result<(), JobError> {
        let key = Key::new(keys.get(row));
        let same = |place: &usize| keys.get(self.touched[*place].row) == key.bytes;
        if self.places.find(key.hash, same).is_none() {
            let before = before()?;
            let place = self.touched.len();
            self.places.insert_unique(key.hash, place, |place| self.touched[*place].hash);
            self.touched.push(Touched { row, hash: key.hash, before });
        }
        Ok(())
    }
}

impl State {
    /// The best `count` rows of a partition.
    fn best(&mut self, partition: Key<'_>, count: usize) -> Result<Vec<u8>, JobError> {
        match self {
            Self::Best(table, _) => Ok(prefix(table.get(0, partition)?.unwrap_or_default(), count)),
            Self::All(rankings) => rankings.best(partition, count),
        }
    }

    /// Whether a new row would be kept.
    fn admits(&mut self, partition: Key<'_>, key: &[u8]) -> Result<bool, JobError> {
        match self {
            // A row that is not costs this lookup and one comparison.
            Self::Best(table, limit) => {
                Ok(admits(table.get(0, partition)?.unwrap_or_default(), *limit, key))
            }
            Self::All(_) => Ok(true),
        }
    }

    fn apply(
        &mut self,
        partition: Key<'_>,
        retracts: bool,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), JobError> {
        match self {
            Self::Best(table, limit) => {
                Ok(table.update(0, partition, |rows| insert(rows, *limit, key, row))?)
            }
            Self::All(rankings) if retracts => rankings.remove(partition, key, row),
            Self::All(rankings) => rankings.insert(partition, key, row),
        }
    }

    fn table(&mut self) -> &mut Table {
        match self {
            Self::Best(table, _) => table,
            Self::All(rankings) => &mut rankings.table,
        }
    }
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
        let state = match input_changes {
            Changes::Append => State::Best(ctx.table("ranking"), shown),
            Changes::Retract(_) => State::All(PagedRankings::new(ctx.table("all"))),
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
            state,
            shown,
            by_number: node.number || by_partition,
        })
    }
}

impl Operator for TopNOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        self.input.encode(&batch)?;
        let mut changed = Changed::default();
        for row in 0..batch.len() {
            let retracts = batch.kind(row).is_retraction();
            let key = Key::new(self.input.keys.get(row));
            if !retracts && !self.state.admits(key, self.input.order.get(row))? {
                continue;
            }
            let (state, shown) = (&mut self.state, self.shown);
            changed.note(&self.input.keys, row, || state.best(key, shown))?;
            self.input.encode_rows(&batch)?;
            let key = Key::new(self.input.keys.get(row));
            self.state.apply(key, retracts, self.input.order.get(row), self.input.row(row))?;
        }
        for Touched { row, before, .. } in changed.touched {
            let after = self.state.best(Key::new(self.input.keys.get(row)), self.shown)?;
            if self.by_number {
                self.output.add_by_number(&before, &after);
            } else {
                self.output.add_by_row(&before, &after);
            }
        }
        self.output.send(false, out)
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![self.state.table()]
    }
}
