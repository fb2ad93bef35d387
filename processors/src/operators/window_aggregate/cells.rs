//! The (pane, key) pairs of a batch, and which of them each row belongs to.

use hashbrown::HashTable;

use crate::operators::aggregate::{Grouper, spread};

/// One pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Place in the panes of the batch.
    pub(crate) pane: u32,
    /// Number of the key in the batch.
    pub(crate) key: u32,
}

/// The pairs of a batch, in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    of_row: Vec<u32>,
    all: Vec<Cell>,
    known: HashTable<(u64, u32)>,
}

impl Cells {
    /// Numbers the pairs of a batch, in place of the last one's.
    pub(crate) fn assign(&mut self, keys: &Grouper, pane_of_row: &[u32], panes: usize) {
        self.of_row.clear();
        self.all.clear();
        self.known.clear();
        if panes <= 1 {
            let keys = 0..u32::try_from(keys.len()).expect("no more keys than rows");
            self.all.extend(keys.map(|key| Cell { pane: 0, key }));
            return;
        }
        let count = keys.len() as u64;
        for (key, pane) in keys.ids().iter().zip(pane_of_row) {
            let pair = u64::from(*pane) * count + u64::from(*key);
            let next = u32::try_from(self.all.len()).expect("no more cells than rows");
            let entry = self.known.entry(
                spread(pair),
                |(known, _)| *known == pair,
                |(known, _)| spread(*known),
            );
            let (_, cell) = *entry.or_insert((pair, next)).get();
            if cell == next {
                self.all.push(Cell { pane: *pane, key: *key });
            }
            self.of_row.push(cell);
        }
    }

    /// The cell of each row.
    pub(crate) fn of_row<'a>(&'a self, keys: &'a Grouper) -> &'a [u32] {
        if self.of_row.is_empty() { keys.ids() } else { &self.of_row }
    }

    /// The cells.
    pub(crate) fn all(&self) -> &[Cell] {
        &self.all
    }
}
