//! Instants at which keys are to be looked at.

use millrace_state::{Key, KeyGroup, Table};

use crate::{JobError, Micros};

/// Timers of keys, in a table.
///
/// Instants are many and a namespace has its price, so timers are kept in cells of time: namespace
/// = start of the cell; key = the key; value = its first instant in the cell (8 bytes,
/// little-endian).
pub(crate) struct Timers {
    table: Table,
    cell: Micros,
    /// No timer is before this; `None` when it is not known.
    due: Option<Micros>,
}

impl Timers {
    /// Timers in cells of this length.
    pub(crate) fn new(table: Table, cell: Micros) -> Self {
        Self { table, cell: cell.max(1), due: None }
    }

    pub(crate) fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    fn cell_of(&self, instant: Micros) -> Micros {
        instant.saturating_sub(instant.rem_euclid(self.cell))
    }

    /// Wakes `key` at `instant`.
    pub(crate) fn set(&mut self, instant: Micros, key: Key<'_>) -> Result<(), JobError> {
        self.due = self.due.map(|due| due.min(instant));
        let cell = self.cell_of(instant);
        self.table.update(cell, key, |value| {
            let earlier =
                value.first_chunk().is_some_and(|at| Micros::from_le_bytes(*at) <= instant);
            if !earlier {
                value.clear();
                value.extend_from_slice(&instant.to_le_bytes());
            }
        })?;
        Ok(())
    }

    /// An instant before which there is no timer.
    pub(crate) fn due(&mut self) -> Result<Micros, JobError> {
        if self.due.is_none() {
            self.due = Some(self.table.first_namespace()?.unwrap_or(Micros::MAX));
        }
        Ok(self.due.unwrap_or(Micros::MIN))
    }

    /// Takes the timers up to `to`: keys and their groups, by time of cell and then by key.
    pub(crate) fn expire(&mut self, to: Micros) -> Result<Vec<(KeyGroup, Vec<u8>)>, JobError> {
        let mut expired = Vec::new();
        let mut later = Micros::MAX;
        for cell in self.table.namespaces(Micros::MIN, to.saturating_add(1))? {
            let from = expired.len();
            self.table.scan(cell, |group, key, value| {
                let at = value.first_chunk().map_or(cell, |at| Micros::from_le_bytes(*at));
                if at <= to {
                    expired.push((group, key.to_vec()));
                } else {
                    later = later.min(at);
                }
            })?;
            if cell.saturating_add(self.cell - 1) <= to {
                self.table.drop_namespace(cell)?;
                continue;
            }
            for (group, key) in &expired[from..] {
                self.table.remove(cell, Key::within(*group, key))?;
            }
        }
        let after = self.table.namespaces(to.saturating_add(1), Micros::MAX)?;
        self.due = Some(after.first().map_or(later, |cell| later.min(*cell)));
        Ok(expired)
    }
}
