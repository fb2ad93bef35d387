//! Rows in an order, as one value of a state table.
//!
//! # Format
//!
//! Nothing, when there are no rows; else the number of rows and the place of the last one (where
//! its entry begins), 4 bytes each, then the entries, best first: length of the order key, length
//! of the row (4 bytes each), order key, row. All lengths are little-endian.
//!
//! The place of the last row lets a row that is worse than all be rejected by one comparison.

const HEADER: usize = 8;

/// An order key and an encoded row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) row: &'a [u8],
}

impl Entry<'_> {
    fn size(&self) -> usize {
        8 + self.key.len() + self.row.len()
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    let bytes = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_le_bytes(bytes) as usize
}

fn bytes_of(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a ranking is below 4 GiB").to_le_bytes()
}

fn entry(ranking: &[u8], at: usize) -> Entry<'_> {
    let (key, row) = (number(ranking, at), number(ranking, at + 4));
    let start = at + 8;
    Entry { key: &ranking[start..start + key], row: &ranking[start + key..start + key + row] }
}

/// The rows of a ranking, best first.
pub(crate) fn entries(ranking: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        (at < ranking.len()).then(|| {
            let entry = entry(ranking, at);
            at += entry.size();
            entry
        })
    })
}

/// Whether a row with this key would be among the best `limit`. A row that equals the last one in
/// the order comes after it.
pub(crate) fn admits(ranking: &[u8], limit: usize, key: &[u8]) -> bool {
    ranking.is_empty() || number(ranking, 0) < limit || key < entry(ranking, number(ranking, 4)).key
}

/// Puts a row after those that are better or equal; then the last goes if there are more than
/// `limit`.
pub(crate) fn insert(ranking: &mut Vec<u8>, limit: usize, key: &[u8], row: &[u8]) {
    if ranking.is_empty() {
        ranking.resize(HEADER, 0);
    }
    let count = number(ranking, 0);
    let end = ranking.len();
    let (mut at, mut before_last) = (HEADER, HEADER);
    let mut last = number(ranking, 4);
    if count > 0 && entry(ranking, last).key <= key {
        at = end;
        before_last = last;
    } else {
        while at < end {
            let here = entry(ranking, at);
            if here.key > key {
                break;
            }
            at += here.size();
        }
    }
    let new = Entry { key, row };
    let size = new.size();
    ranking.resize(end + size, 0);
    ranking.copy_within(at..end, at + size);
    ranking[at..at + 4].copy_from_slice(&bytes_of(key.len()));
    ranking[at + 4..at + 8].copy_from_slice(&bytes_of(row.len()));
    ranking[at + 8..at + 8 + key.len()].copy_from_slice(key);
    ranking[at + 8 + key.len()..at + size].copy_from_slice(row);
    last = if at == end { at } else { last + size };
    if count < limit {
        return set_header(ranking, count + 1, last);
    }
    ranking.truncate(last);
    if at == end {
        last = before_last;
    } else {
        // The new last row is before the one that went: found from where the new row is.
        last = at;
        while last + entry(ranking, last).size() < ranking.len() {
            last += entry(ranking, last).size();
        }
    }
    set_header(ranking, count, last);
}

/// Removes the first row that is exactly this one; false if there is none.
pub(crate) fn remove(ranking: &mut Vec<u8>, key: &[u8], row: &[u8]) -> bool {
    let wanted = Entry { key, row };
    let (mut at, mut before) = (HEADER, HEADER);
    while at < ranking.len() {
        let here = entry(ranking, at);
        if here == wanted {
            let size = here.size();
            let (count, last) = (number(ranking, 0), number(ranking, 4));
            if count == 1 {
                ranking.clear();
                return true;
            }
            ranking.drain(at..at + size);
            set_header(ranking, count - 1, if at == last { before } else { last - size });
            return true;
        }
        if here.key > key {
            return false;
        }
        before = at;
        at += here.size();
    }
    false
}

/// How many rows there are.
pub(crate) fn count(ranking: &[u8]) -> usize {
    if ranking.is_empty() { 0 } else { number(ranking, 0) }
}

/// Cuts a ranking of two rows or more in two; returns the worse half.
pub(crate) fn halve(ranking: &mut Vec<u8>) -> Vec<u8> {
    let count = number(ranking, 0);
    let kept = count / 2;
    let (mut at, mut last) = (HEADER, HEADER);
    for _ in 0..kept {
        last = at;
        at += entry(ranking, at).size();
    }
    let mut tail = vec![0; HEADER];
    tail.extend_from_slice(&ranking[at..]);
    set_header(&mut tail, count - kept, number(ranking, 4) - at + HEADER);
    ranking.truncate(at);
    set_header(ranking, kept, last);
    tail
}

/// The best `count` rows, as a ranking of their own that is only read.
pub(crate) fn prefix(ranking: &[u8], count: usize) -> Vec<u8> {
    if ranking.is_empty() || number(ranking, 0) <= count {
        return ranking.to_vec();
    }
    let bytes: usize = entries(ranking).take(count).map(|entry| entry.size()).sum();
    ranking[..HEADER + bytes].to_vec()
}

fn set_header(ranking: &mut [u8], count: usize, last: usize) {
    ranking[..4].copy_from_slice(&bytes_of(count));
    ranking[4..8].copy_from_slice(&bytes_of(last));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_a_stable_sort(
            steps in proptest::collection::vec((0..6_u8, 0..3_u8, 0..4_u8), 0..40),
            limit in 1..6_usize,
            unlimited in any::<bool>(),
        ) {
            let mut ranking = Vec::new();
            let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            let limit = if unlimited { usize::MAX } else { limit };
            for (key, row, action) in steps {
                let (key, row) = (vec![key; 2], vec![row; usize::from(row)]);
                if unlimited && action == 0 {
                    let place = model.iter().position(|entry| *entry == (key.clone(), row.clone()));
                    prop_assert_eq!(remove(&mut ranking, &key, &row), place.is_some());
                    place.map(|place| model.remove(place));
                } else {
                    let place = model.partition_point(|entry| entry.0 <= key);
                    prop_assert_eq!(admits(&ranking, limit, &key), place < limit);
                    if place < limit {
                        insert(&mut ranking, limit, &key, &row);
                        model.insert(place, (key, row));
                        model.truncate(limit);
                    }
                }
                let found = entries(&ranking).map(|e| (e.key.to_vec(), e.row.to_vec()));
                prop_assert_eq!(found.collect::<Vec<_>>(), model.clone());
                let best = prefix(&ranking, 2);
                let best = entries(&best).map(|e| (e.key.to_vec(), e.row.to_vec()));
                prop_assert_eq!(best.collect::<Vec<_>>(), model[..model.len().min(2)].to_vec());
            }
        }
    }
}
