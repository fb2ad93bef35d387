//! The rows of one side of an interval join, by time and key.

use millrace_state::{Key, KeyGroup, Rows, Table};

use crate::{JobError, Micros};

/// Rows of one side, kept while partners may come.
///
/// # Format
///
/// The namespace is the start of a stretch of time of `width`. The key is the join key and the
/// number of a part (4 bytes, big-endian), the value is entries back to back, in order of arrival:
/// whether the row has been in a pair or sent by itself (1 byte), its time (8), the length of the
/// row (4), the row; little-endian. The part with the greatest number is the open one, to which
/// entries are added; it begins with the number of parts before it (4).
pub(crate) struct IntervalState {
    pub(crate) table: Table,
    part_key: Vec<u8>,
    width: Micros,
    /// Partners of a row of time t are of times `t + from ..= t + to`.
    from: Micros,
    to: Micros,
}

const HEAD: usize = 13;

/// Number of the part to which entries are added.
const OPEN: u32 = u32::MAX;

/// Bytes after which a part is full: what is added or marked is copied with the rest of its part.
const PART_BYTES: usize = 4_096;

/// Where an entry is: namespace, part, and its place in the part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    namespace: Micros,
    part: u32,
    at: usize,
}

/// One entry of a value.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Where in the value it begins: where its mark is.
    at: usize,
    pub(crate) marked: bool,
    pub(crate) time: Micros,
    pub(crate) row: &'a [u8],
}

/// The entries of a part.
fn entries(value: &[u8], part: u32) -> impl Iterator<Item = Entry<'_>> {
    let mut at = if part == OPEN { 4 } else { 0 };
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
        Self { table, part_key: Vec::new(), width, from, to }
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

    /// The key of a part of what is kept for `key`.
    fn part_key<'a>(bytes: &'a mut Vec<u8>, key: Key<'_>, part: u32) -> Key<'a> {
        bytes.clear();
        bytes.extend_from_slice(key.bytes);
        bytes.extend_from_slice(&part.to_be_bytes());
        Key::within(key.group, bytes)
    }

    /// Number of full parts, if anything is kept for `key`.
    fn full_parts(&mut self, namespace: Micros, key: Key<'_>) -> Result<Option<u32>, JobError> {
        let open = Self::part_key(&mut self.part_key, key, OPEN);
        let open = self.table.get(namespace, open)?.and_then(|value| value.first_chunk::<4>());
        Ok(open.map(|parts| u32::from_le_bytes(*parts)))
    }

    /// Shows the rows of a key with `from <= time <= to`, and where each is.
    pub(crate) fn find(
        &mut self,
        key: Key<'_>,
        (from, to): (Micros, Micros),
        mut visit: impl FnMut(Place, Entry<'_>),
    ) -> Result<(), JobError> {
        let mut bucket = self.bucket(from);
        let last = self.bucket(to);
        while bucket <= last {
            if let Some(full) = self.full_parts(bucket, key)? {
                for part in (0..full).chain([OPEN]) {
                    let part_key = Self::part_key(&mut self.part_key, key, part);
                    let value = self.table.get(bucket, part_key)?.unwrap_or_default();
                    let near = |entry: &Entry<'_>| (from..=to).contains(&entry.time);
                    for entry in entries(value, part).filter(near) {
                        visit(Place { namespace: bucket, part, at: entry.at }, entry);
                    }
                }
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
        let bucket = self.bucket(time);
        let open = Self::part_key(&mut self.part_key, key, OPEN);
        let full = self.table.update(bucket, open, |value| {
            let parts = value.first_chunk::<4>().map_or(0, |parts| u32::from_le_bytes(*parts));
            let mut full = None;
            if value.len() >= PART_BYTES {
                full = Some((parts, value.split_off(4)));
                value.clear();
                value.extend_from_slice(&(parts + 1).to_le_bytes());
            } else if value.is_empty() {
                value.extend_from_slice(&parts.to_le_bytes());
            }
            value.push(u8::from(marked));
            value.extend_from_slice(&time.to_le_bytes());
            value.extend_from_slice(&length.to_le_bytes());
            value.extend_from_slice(row);
            full
        })?;
        if let Some((part, value)) = full {
            let part = Self::part_key(&mut self.part_key, key, part);
            self.table.put(bucket, part, &value)?;
        }
        Ok(())
    }

    /// Marks an entry of `key`.
    pub(crate) fn mark(&mut self, key: Key<'_>, place: Place) -> Result<(), JobError> {
        let part = Self::part_key(&mut self.part_key, key, place.part);
        Ok(self.table.update(place.namespace, part, |value| value[place.at] = 1)?)
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
                let part = key.last_chunk::<4>().map_or(OPEN, |part| u32::from_be_bytes(*part));
                for entry in entries(value, part) {
                    let over = end || entry.time.saturating_add(to) < watermark;
                    if over && !entry.marked {
                        rows.push(entry.row);
                        found.push((group, key.into(), entry.at));
                    }
                }
            })?;
            for (group, key, at) in found {
                self.table.update(start, Key::within(group, &key), |value| value[at] = 1)?;
            }
        }
        Ok(())
    }
}
