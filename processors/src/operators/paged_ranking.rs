//! Rankings that keep all rows, in pages: a change costs little however many there are.
//!
//! # Format
//!
//! Namespace 0, by partition: the directory. The number of the next page (4 bytes), then for each
//! page in order: its number (4), the length of its fence (4), the fence. Little-endian.
//!
//! Namespace 1, by partition and number of the page: the rows of a page, as in
//! [`ranking`](super::ranking).
//!
//! A fence is an order key that is not above those of its page nor below those of the pages before.

use millrace_state::{Key, Table};

use super::ranking::{self, entries, halve, insert, remove};
use crate::{JobError, Micros};

/// Rows after which a page is halved.
const PAGE_ROWS: usize = 128;

const DIRECTORY: Micros = 0;
const PAGES: Micros = 1;

/// Rankings by partition, in a table.
pub(crate) struct PagedRankings {
    pub(crate) table: Table,
}

struct Page<'a> {
    /// Where in the directory it is.
    at: usize,
    number: u32,
    fence: &'a [u8],
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn pages(directory: &[u8]) -> impl Iterator<Item = Page<'_>> {
    let mut next = 4;
    std::iter::from_fn(move || {
        (next < directory.len()).then(|| {
            let (at, length) = (next, number(directory, next + 4) as usize);
            next += 8 + length;
            Page { at, number: number(directory, at), fence: &directory[at + 8..next] }
        })
    })
}

fn page_entry(number: u32, fence: &[u8]) -> Vec<u8> {
    let length = u32::try_from(fence.len()).expect("an order key is below 4 GiB");
    [&number.to_le_bytes(), &length.to_le_bytes(), fence].concat()
}

fn page_key(partition: Key<'_>, page: u32) -> Vec<u8> {
    [partition.bytes, &page.to_le_bytes()].concat()
}

impl PagedRankings {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Puts a row after those that are better or equal.
    pub(crate) fn insert(
        &mut self,
        partition: Key<'_>,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), JobError> {
        let directory = self.table.get(DIRECTORY, partition)?.unwrap_or_default();
        let found = pages(directory).take_while(|page| page.fence <= key).last();
        let page = match found.map(|page| page.number) {
            Some(page) => page,
            None => self.lower_first_fence(partition, key)?,
        };
        let bytes = page_key(partition, page);
        let place = Key::within(partition.group, &bytes);
        let tail = self.table.update(PAGES, place, |rows| {
            insert(rows, usize::MAX, key, row);
            (ranking::count(rows) > PAGE_ROWS).then(|| halve(rows))
        })?;
        match tail {
            Some(tail) => self.add_page(partition, page, &tail),
            None => Ok(()),
        }
    }

    /// The first page, which is made if there is none; its fence is now `key`.
    fn lower_first_fence(&mut self, partition: Key<'_>, key: &[u8]) -> Result<u32, JobError> {
        Ok(self.table.update(DIRECTORY, partition, |directory| {
            let first = pages(directory).next().map(|page| (page.number, page.fence.len()));
            if let Some((page, length)) = first {
                directory.splice(4..12 + length, page_entry(page, key));
                return page;
            }
            directory.clear();
            directory.extend_from_slice(&1_u32.to_le_bytes());
            directory.extend_from_slice(&page_entry(0, key));
            0
        })?)
    }

    /// Makes a page of `tail` that follows `page`.
    fn add_page(&mut self, partition: Key<'_>, page: u32, tail: &[u8]) -> Result<(), JobError> {
        let fence = entries(tail).next().expect("half of a page is not empty").key;
        let added = self.table.update(DIRECTORY, partition, |directory| {
            let added = number(directory, 0);
            let before = pages(directory).find(|known| known.number == page);
            let before = before.expect("the page was found in the directory");
            let at = before.at + 8 + before.fence.len();
            directory.splice(at..at, page_entry(added, fence));
            directory[..4].copy_from_slice(&(added + 1).to_le_bytes());
            added
        })?;
        let bytes = page_key(partition, added);
        Ok(self.table.put(PAGES, Key::within(partition.group, &bytes), tail)?)
    }

    /// Removes a row that is exactly this one, if there is one.
    pub(crate) fn remove(
        &mut self,
        partition: Key<'_>,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), JobError> {
        let directory = self.table.get(DIRECTORY, partition)?.unwrap_or_default();
        let reach: Vec<(u32, &[u8])> = pages(directory)
            .take_while(|page| page.fence <= key)
            .map(|page| (page.number, page.fence))
            .collect();
        // Pages that end below the key cannot hold it; those of equal fences all can.
        let from = reach.iter().rposition(|(_, fence)| *fence < key).unwrap_or(0);
        let candidates: Vec<u32> = reach[from..].iter().map(|(page, _)| *page).collect();
        for page in candidates {
            let bytes = page_key(partition, page);
            let place = Key::within(partition.group, &bytes);
            let (removed, empty) = self
                .table
                .update(PAGES, place, |rows| (remove(rows, key, row), rows.is_empty()))?;
            if empty {
                self.drop_page(partition, page)?;
            }
            if removed {
                return Ok(());
            }
        }
        Ok(())
    }

    fn drop_page(&mut self, partition: Key<'_>, page: u32) -> Result<(), JobError> {
        Ok(self.table.update(DIRECTORY, partition, |directory| {
            let found = pages(directory).find(|known| known.number == page);
            if let Some((at, length)) = found.map(|page| (page.at, page.fence.len())) {
                directory.drain(at..at + 8 + length);
            }
            if directory.len() == 4 {
                directory.clear();
            }
        })?)
    }

    /// The best `count` rows, as a ranking of their own.
    pub(crate) fn best(&mut self, partition: Key<'_>, count: usize) -> Result<Vec<u8>, JobError> {
        let directory = self.table.get(DIRECTORY, partition)?.unwrap_or_default();
        let numbers: Vec<u32> = pages(directory).take(count).map(|page| page.number).collect();
        let mut best = Vec::new();
        let mut missing = count;
        for page in numbers {
            let bytes = page_key(partition, page);
            let place = Key::within(partition.group, &bytes);
            let rows = self.table.get(PAGES, place)?.unwrap_or_default();
            for entry in entries(rows).take(missing) {
                insert(&mut best, usize::MAX, entry.key, entry.row);
            }
            missing = count - ranking::count(&best);
            if missing == 0 {
                break;
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn equals_a_stable_sort(
            steps in proptest::collection::vec(
                (0..40_u8, any::<prop::sample::Index>(), 0..5_u8),
                1..3_000,
            ),
            partition in 0..2_u8,
        ) {
            let mut rankings = PagedRankings::new(Table::new("ranking"));
            let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            let name = vec![7; usize::from(partition)];
            for (at, (key, which, action)) in (0_u32..).zip(steps) {
                let partition = Key::new(&name);
                if action == 0 && !model.is_empty() {
                    let (key, row) = model.remove(which.index(model.len()));
                    rankings.remove(partition, &key, &row).unwrap();
                } else {
                    let (key, row) = (vec![key], at.to_le_bytes().to_vec());
                    rankings.insert(partition, &key, &row).unwrap();
                    let place = model.partition_point(|entry| entry.0 <= key);
                    model.insert(place, (key, row));
                }
            }
            for count in [3, usize::MAX] {
                let found = rankings.best(Key::new(&name), count).unwrap();
                let found: Vec<_> =
                    entries(&found).map(|e| (e.key.to_vec(), e.row.to_vec())).collect();
                prop_assert_eq!(&found[..], &model[..model.len().min(count)]);
            }
            for (key, row) in model {
                rankings.remove(Key::new(&name), &key, &row).unwrap();
            }
            prop_assert_eq!(rankings.table.first_namespace().unwrap(), None);
        }
    }
}
