//! Which values a group has seen, in a table: for `DISTINCT` over panes and groups without end.
//!
//! Key: the group's key, the number of the set (1 byte), the encoded value. Calls over the same
//! arguments share a set; each filter among them is a variant. Value: one bit for each variant
//! that has seen it or, where rows can be taken back, how many rows of each variant have it (8
//! bytes each).

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use hashbrown::HashTable;

use millrace_state::{Key, KeyGroup, Table};

use super::Grouper;
use super::cell::Cell;
use super::grouper::spread;
use super::picked::{Selection, filter_of, row_number};
use crate::JobError;

/// Rows in which a value appears that its group did not have, or goes that it no longer has.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) added: Selection,
    pub(crate) removed: Selection,
}

/// Calls over the same arguments.
pub(crate) struct DistinctSet {
    pub(crate) args: Vec<usize>,
    pub(crate) types: Vec<DataType>,
    /// The filter of each variant, and its place in the news.
    pub(crate) variants: Vec<(Option<usize>, usize)>,
}

/// The values that groups have seen.
pub(crate) struct DistinctTable {
    table: Table,
    sets: Vec<(DistinctSet, Grouper)>,
    counting: bool,
    news: Vec<News>,
    entries: Vec<Entry>,
    /// By entry: bits of variants, or counts of each variant.
    seen: Vec<i64>,
    pairs: HashTable<(u64, u32)>,
}

#[derive(Clone, Copy)]
struct Entry {
    group: u32,
    value: u32,
    row: u32,
}

/// Appends the key of a group, and says in which namespace and key group it is.
pub(crate) type GroupKey<'a> = &'a dyn Fn(u32, &mut Vec<u8>) -> (i64, KeyGroup);

impl DistinctTable {
    /// `counting` when rows can be taken back.
    pub(crate) fn new(
        sets: Vec<DistinctSet>,
        counting: bool,
        table: Table,
    ) -> Result<Self, JobError> {
        let variants: usize = sets.iter().map(|set| set.variants.len()).sum();
        let with_grouper = |set: DistinctSet| {
            if set.variants.len() > 63 {
                let limit = "more than 63 filters of DISTINCT aggregates over one argument";
                return Err(JobError::Unsupported(limit.to_owned()));
            }
            let grouper = Grouper::new(&set.types)?;
            Ok((set, grouper))
        };
        Ok(Self {
            table,
            sets: sets.into_iter().map(with_grouper).collect::<Result<_, _>>()?,
            counting,
            news: std::iter::repeat_with(News::default).take(variants).collect(),
            entries: Vec::new(),
            seen: Vec::new(),
            pairs: HashTable::new(),
        })
    }

    pub(crate) fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// By variant, what the last call of [`Self::resolve`] found.
    pub(crate) fn news(&self) -> &[News] {
        &self.news
    }

    /// Notes the values of rows, and finds the new ones.
    pub(crate) fn resolve(
        &mut self,
        columns: &[ArrayRef],
        groups: &[u32],
        retracts: Option<&[bool]>,
        key: GroupKey<'_>,
    ) -> Result<(), JobError> {
        for news in &mut self.news {
            news.added.clear();
            news.removed.clear();
        }
        for set in 0..self.sets.len() {
            let args: Vec<ArrayRef> =
                self.sets[set].0.args.iter().map(|arg| columns[*arg].clone()).collect();
            self.sets[set].1.group(&args, groups.len())?;
            let nulls = args.iter().fold(None, |all: Option<NullBuffer>, arg| {
                NullBuffer::union(all.as_ref(), arg.logical_nulls().as_ref())
            });
            self.gather(set, columns, groups, nulls.as_ref(), retracts);
            self.look_up(set, key)?;
        }
        Ok(())
    }

    /// One entry for each value of each group in the batch, and what the rows say of it.
    fn gather(
        &mut self,
        set: usize,
        columns: &[ArrayRef],
        groups: &[u32],
        nulls: Option<&NullBuffer>,
        retracts: Option<&[bool]>,
    ) {
        let Self { sets, counting, entries, seen, pairs, .. } = self;
        let (set, grouper) = &sets[set];
        let width = if *counting { set.variants.len() } else { 1 };
        let passes = passes(set, columns, groups.len());
        entries.clear();
        seen.clear();
        pairs.clear();
        for (row, (value, group)) in grouper.ids().iter().zip(groups).enumerate() {
            let mut variants = passes[row];
            if variants == 0 || nulls.is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let pair = (u64::from(*group) << 32) | u64::from(*value);
            let next = row_number(entries.len());
            let entry =
                pairs.entry(spread(pair), |(known, _)| *known == pair, |(known, _)| spread(*known));
            let (_, entry) = *entry.or_insert((pair, next)).get();
            if entry == next {
                entries.push(Entry { group: *group, value: *value, row: row_number(row) });
                seen.resize(entries.len() * width, 0);
            }
            let seen = &mut seen[entry as usize * width..][..width];
            if !*counting {
                seen[0] |= variants;
                continue;
            }
            let by = if retracts.is_some_and(|retracts| retracts[row]) { -1 } else { 1 };
            while variants != 0 {
                seen[variants.trailing_zeros() as usize] += by;
                variants &= variants - 1;
            }
        }
    }

    fn look_up(&mut self, number: usize, key: GroupKey<'_>) -> Result<(), JobError> {
        let Self { sets, counting, entries, seen, table, news, .. } = self;
        let (set, grouper) = &sets[number];
        let tag = u8::try_from(number).expect("fewer than 256 arguments of DISTINCT");
        let width = if *counting { set.variants.len() } else { 1 };
        let mut bytes = Vec::new();
        for (entry, seen) in entries.iter().zip(seen.chunks_exact(width)) {
            bytes.clear();
            let (namespace, group) = key(entry.group, &mut bytes);
            bytes.push(tag);
            bytes.extend_from_slice(grouper.key(entry.value as usize));
            let key = Key::within(group, &bytes);
            if *counting {
                count(table, namespace, key, set, *entry, seen, news)?;
            } else {
                mark(table, namespace, key, set, *entry, seen[0], news)?;
            }
        }
        Ok(())
    }
}

/// Bits of the variants that take each row.
fn passes(set: &DistinctSet, columns: &[ArrayRef], rows: usize) -> Vec<i64> {
    let always = set.variants.iter().enumerate().filter(|(_, (filter, _))| filter.is_none());
    let always = always.fold(0, |bits, (bit, _)| bits | 1 << bit);
    let mut passes = vec![always; rows];
    for (bit, (filter, _)) in set.variants.iter().enumerate() {
        let Some(filter) = filter else { continue };
        let filter = filter_of(columns, *filter);
        for (row, passes) in passes.iter_mut().enumerate() {
            *passes |= i64::from(filter.value(row) && filter.is_valid(row)) << bit;
        }
    }
    passes
}

/// Marks a value as seen. Most values of most batches are known: those are only read.
fn mark(
    table: &mut Table,
    namespace: i64,
    key: Key<'_>,
    set: &DistinctSet,
    entry: Entry,
    variants: i64,
    news: &mut [News],
) -> Result<(), JobError> {
    let mut old = [0; 8];
    if let Some(bytes) = table.get(namespace, key)? {
        old[..bytes.len()].copy_from_slice(bytes);
    }
    let old = i64::from_le_bytes(old);
    let mut fresh = variants & !old;
    if fresh == 0 {
        return Ok(());
    }
    table.put(namespace, key, &(old | fresh).to_le_bytes()[..set.variants.len().div_ceil(8)])?;
    while fresh != 0 {
        let (_, at) = set.variants[fresh.trailing_zeros() as usize];
        news[at].added.push(entry.row, entry.group);
        fresh &= fresh - 1;
    }
    Ok(())
}

/// Counts the rows of a value; it appears with the first and goes with the last.
fn count(
    table: &mut Table,
    namespace: i64,
    key: Key<'_>,
    set: &DistinctSet,
    entry: Entry,
    by: &[i64],
    news: &mut [News],
) -> Result<(), JobError> {
    table.update(namespace, key, |counts| {
        counts.resize(by.len() * 8, 0);
        for ((cell, by), (_, at)) in counts.chunks_exact_mut(8).zip(by).zip(&set.variants) {
            let old = i64::read(cell);
            let new = old + by;
            new.write(cell);
            if old <= 0 && new > 0 {
                news[*at].added.push(entry.row, entry.group);
            } else if old > 0 && new <= 0 {
                news[*at].removed.push(entry.row, entry.group);
            }
        }
        if counts.iter().all(|byte| *byte == 0) {
            counts.clear();
        }
    })?;
    Ok(())
}
