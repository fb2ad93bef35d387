//! Finds the pairs of one window, on encoded rows; decodes only rows that are sent.

use arrow::array::{ArrayRef, BooleanArray};
use hashbrown::HashMap;

use millrace_state::RowCodec;

use super::join_output::{JoinOutput, PAIRS, select};
use crate::{JobError, Micros, Output};

/// No row.
const NONE: u32 = u32::MAX;

/// Appends an entry: length of the key and the key (0: it can match nothing), length of the row and
/// the row. The key ends with the start of the window.
pub(super) fn write_entry(key: Option<(&[u8], Micros)>, row: &[u8], out: &mut Vec<u8>) {
    let length = |bytes: usize| u32::try_from(bytes).expect("a row is below 4 GiB").to_le_bytes();
    match key {
        Some((key, start)) => {
            out.extend_from_slice(&length(key.len() + 8));
            out.extend_from_slice(key);
            out.extend_from_slice(&start.to_le_bytes());
        }
        None => out.extend_from_slice(&length(0)),
    }
    out.extend_from_slice(&length(row.len()));
    out.extend_from_slice(row);
}

/// Rows of one side, in order.
struct Entries<'a> {
    keys: Vec<Option<&'a [u8]>>,
    rows: Vec<&'a [u8]>,
}

impl<'a> Entries<'a> {
    fn read(mut bytes: &'a [u8]) -> Self {
        let mut entries = Self { keys: Vec::new(), rows: Vec::new() };
        while !bytes.is_empty() {
            let key = take(&mut bytes);
            entries.keys.push((!key.is_empty()).then_some(key));
            entries.rows.push(take(&mut bytes));
        }
        entries
    }

    /// Decodes the rows that are `needed`; the second part says where each of them is.
    fn decode(
        &self,
        needed: &[bool],
        codec: &RowCodec,
    ) -> Result<(Vec<ArrayRef>, Vec<u32>), JobError> {
        let mut next = 0;
        let place = |needed: &bool| {
            next += u32::from(*needed);
            if *needed { next - 1 } else { NONE }
        };
        let places = needed.iter().map(place).collect();
        let rows = self.rows.iter().zip(needed).filter(|(_, needed)| **needed);
        Ok((codec.decode(rows.map(|(row, _)| *row))?, places))
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = bytes.split_first_chunk::<4>().expect("an entry is whole");
    let (part, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
    *bytes = rest;
    part
}

/// The right rows that each left row has the key of: chains in order of arrival.
struct Chains {
    /// For each left row the first right row.
    heads: Vec<u32>,
    /// For each right row the next one with the same key.
    next: Vec<u32>,
    /// Whether a right row is on a chain that begins at some left row.
    reached: Vec<bool>,
}

impl Chains {
    fn of(left: &Entries<'_>, right: &Entries<'_>) -> Self {
        let mut first: HashMap<&[u8], u32> = HashMap::with_capacity(right.keys.len());
        let mut next = vec![NONE; right.keys.len()];
        for (row, key) in right.keys.iter().enumerate().rev() {
            if let Some(key) = key {
                let number = u32::try_from(row).expect("rows of one join fit");
                next[row] = first.insert(key, number).unwrap_or(NONE);
            }
        }
        let head = |key: Option<&[u8]>| key.and_then(|key| first.get(key)).copied();
        let heads: Vec<u32> = left.keys.iter().map(|key| head(*key).unwrap_or(NONE)).collect();
        let mut reached = vec![false; right.keys.len()];
        for &head in &heads {
            let mut row = head;
            // A chain is entered at its head only, so one that was reached was reached whole.
            while row != NONE && !reached[row as usize] {
                reached[row as usize] = true;
                row = next[row as usize];
            }
        }
        Self { heads, next, reached }
    }
}

/// Joins entries of the left with those of the right; no key is in another call of the same window.
pub(super) fn join(
    output: &JoinOutput,
    codecs: [&RowCodec; 2],
    entries: [&[u8]; 2],
    out: &mut Output,
) -> Result<(), JobError> {
    let [left, right] = entries.map(Entries::read);
    let chains = Chains::of(&left, &right);
    let [keep_left, keep_right] = [output.keeps_unmatched(0), output.keeps_unmatched(1)];
    let with_partner = |head: &u32| *head != NONE;
    // Without a filter, a left row with a chain is matched, and only pairs need the right.
    let by_key = output.is_unfiltered() && !output.has_pairs();
    let left_needed: Vec<bool> = if by_key && keep_left {
        chains.heads.iter().map(|head| !with_partner(head)).collect()
    } else {
        chains.heads.iter().map(|head| keep_left || with_partner(head)).collect()
    };
    let (lefts, left_places) = left.decode(&left_needed, codecs[0])?;
    let left_count = left_needed.iter().filter(|needed| **needed).count();
    if by_key {
        return if left_count > 0 { output.alone(0, lefts, left_count, out) } else { Ok(()) };
    }
    let right_needed: Vec<bool> =
        chains.reached.iter().map(|reached| keep_right || *reached).collect();
    let (rights, right_places) = right.decode(&right_needed, codecs[1])?;
    let right_count = right_needed.iter().filter(|needed| **needed).count();

    let mut pairs = Pairs {
        columns: [lefts, rights],
        places: [Vec::new(), Vec::new()],
        matched: [vec![false; left_count], vec![false; right_count]],
    };
    for (row, &head) in chains.heads.iter().enumerate() {
        let mut partner = head;
        while partner != NONE {
            pairs.places[0].push(left_places[row]);
            pairs.places[1].push(right_places[partner as usize]);
            if pairs.places[0].len() >= PAIRS {
                pairs.send(output, out)?;
            }
            partner = chains.next[partner as usize];
        }
    }
    pairs.send(output, out)?;
    pairs.send_alone(output, out)
}

/// Pairs that were found and not sent, and which rows have been in a pair.
struct Pairs {
    columns: [Vec<ArrayRef>; 2],
    places: [Vec<u32>; 2],
    matched: [Vec<bool>; 2],
}

impl Pairs {
    fn send(&mut self, output: &JoinOutput, out: &mut Output) -> Result<(), JobError> {
        let [left, right] = std::mem::take(&mut self.places);
        let found = [left.clone(), right.clone()];
        let passes = output.pairs((&self.columns[0], left), (&self.columns[1], right), out)?;
        for (places, matched) in found.iter().zip(&mut self.matched) {
            for (pair, place) in places.iter().enumerate() {
                if passes.as_ref().is_none_or(|passes| passes.value(pair)) {
                    matched[*place as usize] = true;
                }
            }
        }
        Ok(())
    }

    fn send_alone(self, output: &JoinOutput, out: &mut Output) -> Result<(), JobError> {
        for (port, (columns, matched)) in self.columns.iter().zip(self.matched).enumerate() {
            let wanted = if output.keeps_unmatched(port) {
                matched.iter().map(|matched| Some(!matched)).collect::<BooleanArray>()
            } else if port == 0 && output.keeps_matched() {
                matched.into_iter().map(Some).collect()
            } else {
                continue;
            };
            let count = wanted.true_count();
            if count > 0 {
                output.alone(port, select(columns, &wanted)?, count, out)?;
            }
        }
        Ok(())
    }
}
