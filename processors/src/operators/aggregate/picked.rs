//! Which rows of a batch an aggregate takes, and the group of each.

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;

/// Rows and their groups.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Picked<'a> {
    /// Every row; the group of each.
    All(&'a [u32]),
    /// Some rows, and the group of each of them.
    Some {
        /// The rows.
        rows: &'a [u32],
        /// As long as `rows`.
        groups: &'a [u32],
    },
}

impl Picked<'_> {
    /// Calls `take(row, group)` for each row that is not NULL, in order.
    #[inline]
    pub(crate) fn each(self, nulls: Option<&NullBuffer>, mut take: impl FnMut(usize, usize)) {
        match (self, nulls) {
            (Self::All(groups), None) => {
                groups.iter().enumerate().for_each(|(row, group)| take(row, *group as usize));
            }
            (Self::All(groups), Some(nulls)) => {
                for (row, group) in groups.iter().enumerate() {
                    if nulls.is_valid(row) {
                        take(row, *group as usize);
                    }
                }
            }
            (Self::Some { rows, groups }, None) => {
                for (row, group) in rows.iter().zip(groups) {
                    take(*row as usize, *group as usize);
                }
            }
            (Self::Some { rows, groups }, Some(nulls)) => {
                for (row, group) in rows.iter().zip(groups) {
                    if nulls.is_valid(*row as usize) {
                        take(*row as usize, *group as usize);
                    }
                }
            }
        }
    }
}

/// A list of rows with their groups.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    rows: Vec<u32>,
    groups: Vec<u32>,
}

impl Selection {
    /// Those rows that retract (or those that do not) and for which the filter is true.
    pub(crate) fn of(
        groups: &[u32],
        filter: Option<&BooleanArray>,
        retracts: Option<&[bool]>,
        wanted: bool,
    ) -> Self {
        let mut selection = Self::default();
        for (row, group) in groups.iter().enumerate() {
            let passes = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if passes && retracts.is_some_and(|retracts| retracts[row]) == wanted {
                selection.push(row_number(row), *group);
            }
        }
        selection
    }

    pub(crate) fn push(&mut self, row: u32, group: u32) {
        self.rows.push(row);
        self.groups.push(group);
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.groups.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn picked(&self) -> Picked<'_> {
        Picked::Some { rows: &self.rows, groups: &self.groups }
    }
}

/// The filter column as what it is.
pub(crate) fn filter_of(columns: &[arrow::array::ArrayRef], column: usize) -> &BooleanArray {
    columns[column].as_boolean()
}

/// A row's number in its batch.
pub(crate) fn row_number(row: usize) -> u32 {
    u32::try_from(row).expect("a batch has fewer than 2^32 rows")
}
