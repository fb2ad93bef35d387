//! What all forms of de-duplication share: the row of each key that a batch offers, and its form in
//! state.

use arrow::array::{Array, ArrayRef, RecordBatch};
use hashbrown::HashTable;

use millrace_state::hash;

use super::keys::Keys;
use crate::{JobError, Micros};

/// Which row of a key is kept. Rows of equal times are in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    First,
    Last,
}

impl Keep {
    pub(crate) fn of(keep_last: bool) -> Self {
        if keep_last { Self::Last } else { Self::First }
    }

    /// Whether a row that came after another replaces it.
    pub(crate) fn replaces(self, old: Micros, new: Micros) -> bool {
        match self {
            Self::First => new < old,
            Self::Last => new >= old,
        }
    }
}

/// The event times of a batch.
pub(crate) struct Times<'a> {
    values: &'a [Micros],
    array: &'a ArrayRef,
}

impl<'a> Times<'a> {
    pub(crate) fn new(rows: &'a RecordBatch, column: usize) -> Result<Self, JobError> {
        let array = rows.column(column);
        let values = super::columns::micros(rows, column)?;
        Ok(Self { values, array })
    }

    /// The time of a row; `none` if it has none.
    pub(crate) fn get(&self, row: usize, none: Micros) -> Micros {
        if self.array.is_null(row) { none } else { self.values[row] }
    }
}

/// The row of each key (and window, if any: its start) that a batch offers, in the order in which
/// the keys first came. `rows` are the rows to look at.
pub(crate) fn offered(
    rows: impl Iterator<Item = usize>,
    keys: &Keys,
    starts: Option<&[Micros]>,
    time: impl Fn(usize) -> Micros,
    keep: Keep,
) -> Vec<u32> {
    let mut best: Vec<u32> = Vec::new();
    let mut places: HashTable<(u64, usize)> = HashTable::new();
    for row in rows {
        let (key, start) = (keys.get(row), starts.map(|starts| starts[row]));
        let hashed = hash(key) ^ start.unwrap_or_default().cast_unsigned().rotate_left(32);
        let same = |(other, place): &(u64, usize)| {
            let known = best[*place] as usize;
            *other == hashed
                && keys.get(known) == key
                && starts.map(|starts| starts[known]) == start
        };
        let number = u32::try_from(row).expect("rows of a batch fit");
        let Some((_, place)) = places.find(hashed, same) else {
            places.insert_unique(hashed, (hashed, best.len()), |(hashed, _)| *hashed);
            best.push(number);
            continue;
        };
        let known = &mut best[*place];
        if keep.replaces(time(*known as usize), time(row)) {
            *known = number;
        }
    }
    best
}

/// The time that a value of state begins with, and the row, if it holds one.
pub(crate) fn split(value: &[u8]) -> (Micros, &[u8]) {
    let (time, row) = value.split_first_chunk::<8>().expect("a value begins with a time");
    (Micros::from_le_bytes(*time), row)
}

/// Makes a value of state: a time, then a row (or nothing).
pub(crate) fn write(value: &mut Vec<u8>, time: Micros, row: &[u8]) {
    value.clear();
    value.extend_from_slice(&time.to_le_bytes());
    value.extend_from_slice(row);
}
