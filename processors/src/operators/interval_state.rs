//! The rows of one side of an interval join, by time and key.

use millrace_state::{Key, KeyGroup, Rows, Table};

use crate::{JobError, Micros};

/// Rows of one side, kept while partners may come.
///
/// # Format
///
/// The namespace is the start of a stretch of time of `width`, the key is the join key, the value is
/// entries back to back, in order of arrival: whether the row has been in a pair or sent by itself
/// (1 byte), its time (8), the length of the row (4), the row; little-endian.
pub(crate) struct IntervalState {
    pub(crate) table: Table,
    width: Micros,
    /// Partners of a row of time t are of times `t + from ..= t + to`.
    from: Micros,
    to: Micros,
}

const HEAD: usize = 13;

/// One entry of a value.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Where in the value it begins: where its mark is.
    pub(crate) at: usize,
    pub(crate) marked: bool,
    pub(crate) time: Micros,
    pub(crate) row: &'a [u8],
}

fn entries(value: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let entry = value.get(at..).filter(|rest| !rest.is_empty())?;
        let time = entry[1..9].try_into().expect("8 bytes");
        let length = entry[9..HEAD].try_into().expect("4 bytes");
        let length = u32::from_le_bytes(length) as usize;
        let row = &entry[HEAD..HEAD + length];
        let here = at;
        at += HEAD + length;
        Some(Entry { at: here, marked: entry[0] != 0, time: Micros::from_le_bytes(time), row })
    })
}

impl IntervalState {
    pub(crate) fn new(table: Table, width: Micros, from: Micros, to: Micros) -> Self {
        Self { table, width, from, to }
    }

    fn bucket(&self, time: Micros) -> Micros {
        time.div_euclid(self.width).saturating_mul(self.width)
    }

    /// First and last time of the partners of a row of this side.
    pub(crate) fn partners(&self, time: Micros) -> (Micros, Micros) {
        (time.saturating_add(self.from), time.saturating_add(self.to))
    }

    /// Whether no partner of a row can come any more.
    pub(crate) fn is_over(&self, time: Micros, watermark: Micros) -> bool {
        self.partners(time).1 < watermark
    }

    /// Shows the rows of a key with `from <= time <= to`, and the namespace that each is in.
    pub(crate) fn find(
        &mut self,
        key: Key<'_>,
        (from, to): (Micros, Micros),
        mut visit: impl FnMut(Micros, Entry<'_>),
    ) -> Result<(), JobError> {
        let mut bucket = self.bucket(from);
        let last = self.bucket(to);
        while bucket <= last {
            if let Some(value) = self.table.get(bucket, key)? {
                entries(value)
                    .filter(|entry| (from..=to).contains(&entry.time))
                    .for_each(|entry| visit(bucket, entry));
            }
            let Some(next) = bucket.checked_add(self.width) else { break };
            bucket = next;
        }
        Ok(())
    }

    pub(crate) fn add(
        &mut self,
        key: Key<'_>,
        time: Micros,
        marked: bool,
        row: &[u8],
    ) -> Result<(), JobError> {
        let length = u32::try_from(row.len()).expect("a row is below 4 GiB");
        Ok(self.table.update(self.bucket(time), key, |value| {
            value.push(u8::from(marked));
            value.extend_from_slice(&time.to_le_bytes());
            value.extend_from_slice(&length.to_le_bytes());
            value.extend_from_slice(row);
        })?)
    }

    /// Marks the entry that begins at `at`.
    pub(crate) fn mark(
        &mut self,
        namespace: Micros,
        key: Key<'_>,
        at: usize,
    ) -> Result<(), JobError> {
        Ok(self.table.update(namespace, key, |value| value[at] = 1)?)
    }

    /// Drops the stretches of time in which all rows are over.
    pub(crate) fn drop_over(&mut self, watermark: Micros) -> Result<(), JobError> {
        while let Some(start) = self.table.first_namespace()? {
            let last = start.saturating_add(self.width - 1);
            if !self.is_over(last, watermark) && watermark != Micros::MAX {
                break;
            }
            self.table.drop_namespace(start)?;
        }
        Ok(())
    }

    /// Takes the rows that are over and were in no pair, by time and key; they are marked.
    pub(crate) fn take_unmatched(
        &mut self,
        watermark: Micros,
        rows: &mut Rows,
    ) -> Result<(), JobError> {
        for start in self.table.namespaces(Micros::MIN, Micros::MAX)? {
            if !self.is_over(start, watermark) && watermark != Micros::MAX {
                break;
            }
            let mut found: Vec<(KeyGroup, Box<[u8]>, usize)> = Vec::new();
            let (to, end) = (self.to, watermark == Micros::MAX);
            self.table.scan(start, |group, key, value| {
                for entry in entries(value) {
                    let over = end || entry.time.saturating_add(to) < watermark;
                    if over && !entry.marked {
                        rows.push(entry.row);
                        found.push((group, key.into(), entry.at));
                    }
                }
            })?;
            for (group, key, at) in found {
                self.mark(start, Key::within(group, &key), at)?;
            }
        }
        Ok(())
    }
}
