//! What both kinds of Top-N do with a batch, and how ranked rows become columns again.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;

use millrace_plan::TopNNode;
use millrace_state::{RowCodec, Rows};

use super::columns::{rows_of, typed};
use super::keys::{Keys, codec_of_all};
use super::order_key::OrderKeys;
use super::ranking::{Entry, entries};
use crate::{Batch, JobError, Output, RowKind};

/// Greatest number of rows of a batch that is made of state.
const BATCH_ROWS: usize = 8_192;

/// The rows of a batch as a ranking needs them.
pub(crate) struct RankedInput {
    pub(crate) keys: Keys,
    pub(crate) order: OrderKeys,
    codec: RowCodec,
    rows: Rows,
}

impl RankedInput {
    pub(crate) fn new(node: &TopNNode, input: &SchemaRef) -> Result<Self, JobError> {
        Ok(Self {
            keys: Keys::new(input, node.partition.clone())?,
            order: OrderKeys::new(input, &node.order)?,
            codec: codec_of_all(input)?,
            rows: Rows::new(),
        })
    }

    pub(crate) fn encode(&mut self, batch: &Batch) -> Result<(), JobError> {
        self.keys.encode(&batch.rows)?;
        self.order.encode(&batch.rows)?;
        self.rows.clear();
        Ok(())
    }

    /// Encodes all rows, unless that was done: in most batches no row is good enough.
    pub(crate) fn encode_rows(&mut self, batch: &Batch) -> Result<(), JobError> {
        if self.rows.is_empty() {
            self.codec.encode(batch.rows.columns(), &mut self.rows)?;
        }
        Ok(())
    }

    /// An encoded row, after [`Self::encode_rows`].
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        self.rows.get(row)
    }
}

/// Which rows of a ranking are sent, and how.
pub(crate) struct RankedOutput {
    from: usize,
    to: usize,
    number: bool,
    emit_before: bool,
    codec: RowCodec,
    output: SchemaRef,
    rows: Rows,
    numbers: Vec<i64>,
    kinds: Vec<RowKind>,
}

impl RankedOutput {
    pub(crate) fn new(
        node: &TopNNode,
        input: &SchemaRef,
        output: &SchemaRef,
    ) -> Result<Self, JobError> {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(Self {
            from: number(node.from.max(1)),
            to: number(node.to),
            number: node.number,
            emit_before: node.emit_before,
            codec: codec_of_all(input)?,
            output: output.clone(),
            rows: Rows::new(),
            numbers: Vec::new(),
            kinds: Vec::new(),
        })
    }

    /// The rows of a ranking that are part of the output, with their numbers.
    fn shown<'a>(&self, ranking: &'a [u8]) -> impl Iterator<Item = (usize, Entry<'a>)> + use<'a> {
        entries(ranking)
            .zip(1..)
            .map(|(entry, number)| (number, entry))
            .take(self.to)
            .skip(self.from - 1)
    }

    fn add(&mut self, kind: RowKind, number: usize, entry: Entry<'_>) {
        self.rows.push(entry.row);
        self.kinds.push(kind);
        if self.number {
            self.numbers.push(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// Adds a ranking that is final.
    pub(crate) fn add_all(&mut self, ranking: &[u8], out: &mut Output) -> Result<(), JobError> {
        for (number, entry) in self.shown(ranking) {
            self.add(RowKind::Insert, number, entry);
        }
        if self.rows.len() >= BATCH_ROWS { self.send(true, out) } else { Ok(()) }
    }

    /// Adds what changed when every number is a row of its own that is replaced.
    pub(crate) fn add_by_number(&mut self, before: &[u8], after: &[u8]) {
        let (mut old, mut new) = (self.shown(before), self.shown(after));
        loop {
            match (old.next(), new.next()) {
                (Some((_, old)), Some((_, new))) if old.row == new.row => {}
                (Some((number, old)), Some((_, new))) => {
                    if self.emit_before {
                        self.add(RowKind::UpdateBefore, number, old);
                    }
                    self.add(RowKind::UpdateAfter, number, new);
                }
                (None, Some((number, new))) => self.add(RowKind::Insert, number, new),
                (Some((number, old)), None) => self.add(RowKind::Delete, number, old),
                (None, None) => return,
            }
        }
    }

    /// Adds what changed when rows come and go, whatever their number: first those that went.
    pub(crate) fn add_by_row(&mut self, before: &[u8], after: &[u8]) {
        let old: Vec<_> = self.shown(before).collect();
        let new: Vec<_> = self.shown(after).collect();
        let mut counts: hashbrown::HashMap<&[u8], isize> = hashbrown::HashMap::new();
        for (_, entry) in &new {
            *counts.entry(entry.row).or_default() += 1;
        }
        for (_, entry) in &old {
            *counts.entry(entry.row).or_default() -= 1;
        }
        // The last of equal rows is the one that changed: equal rows are interchangeable.
        for (number, entry) in old.into_iter().rev() {
            if let Some(count) = counts.get_mut(entry.row).filter(|count| **count < 0) {
                *count += 1;
                self.add(RowKind::Delete, number, entry);
            }
        }
        for (number, entry) in new {
            if let Some(count) = counts.get_mut(entry.row).filter(|count| **count > 0) {
                *count -= 1;
                self.add(RowKind::Insert, number, entry);
            }
        }
    }

    /// Sends what was added; `append`: all are new rows.
    pub(crate) fn send(&mut self, append: bool, out: &mut Output) -> Result<(), JobError> {
        let count = self.rows.len();
        if count == 0 {
            return Ok(());
        }
        let mut columns = self.codec.decode(self.rows.iter())?;
        if self.number {
            let numbers: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.numbers)));
            columns.push(typed(numbers, self.output.field(columns.len()).data_type())?);
        }
        let rows = rows_of(&self.output, columns, count)?;
        out.push(if append { Batch::append(rows) } else { Batch::changes(rows, &self.kinds) });
        self.rows.clear();
        self.kinds.clear();
        Ok(())
    }
}
