//! Which pane each row of a batch belongs to, and which rows are too late for any.

use arrow::array::{Array, BooleanArray, RecordBatch};
use hashbrown::HashTable;

use millrace_plan::{WindowKind, Windows};

use crate::operators::aggregate::spread;
use crate::operators::columns::micros;
use crate::{JobError, Micros};

/// Where the state of some rows is: a namespace and, when rows carry their window, its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pane {
    pub(crate) namespace: Micros,
    pub(crate) start: Option<Micros>,
    /// The first end of a window with these rows that has not fired.
    pub(crate) due: Micros,
}

/// The panes of the rows of a batch.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// The panes, in order of appearance.
    pub(crate) panes: Vec<Pane>,
    /// The pane of each row, by its place in `panes`.
    pub(crate) of_row: Vec<u32>,
    /// By pane as it was looked up (pane start, or window end and start): its place, or `LATE`.
    known: HashTable<((Micros, Micros), u32)>,
}

const LATE: u32 = u32::MAX;

impl Placement {
    /// Places rows at a watermark. Returns the rows that are in time, if some are late; `of_row`
    /// is of these only.
    pub(crate) fn place(
        &mut self,
        windows: &Windows,
        rows: &RecordBatch,
        watermark: Micros,
    ) -> Result<Option<BooleanArray>, JobError> {
        self.panes.clear();
        self.of_row.clear();
        self.known.clear();
        match windows {
            Windows::Assigned { window, time } => {
                let length = window.pane().ok_or_else(no_panes)?;
                let times = micros(rows, *time)?;
                let mut current = (0, 0, LATE);
                for &time in times {
                    if !(current.0..current.1).contains(&time) {
                        let start = window.pane_start(time);
                        let pane = self.look_up((start, 0), || assigned(window, start, watermark));
                        current = (start, start + length, pane);
                    }
                    self.of_row.push(current.2);
                }
                self.without_nulls(rows.column(*time));
            }
            Windows::Attached { start, end } => {
                let (starts, ends) = (micros(rows, *start)?, micros(rows, *end)?);
                let mut current = None;
                for (&start, &end) in starts.iter().zip(ends) {
                    if let Some((window, pane)) = current
                        && window == (start, end)
                    {
                        self.of_row.push(pane);
                        continue;
                    }
                    let pane = Pane { namespace: end, start: Some(start), due: end };
                    let found = self.look_up((end, start), || (end > watermark).then_some(pane));
                    current = Some(((start, end), found));
                    self.of_row.push(found);
                }
                self.without_nulls(rows.column(*start));
                self.without_nulls(rows.column(*end));
            }
        }
        if !self.of_row.contains(&LATE) {
            return Ok(None);
        }
        let in_time: Vec<bool> = self.of_row.iter().map(|pane| *pane != LATE).collect();
        self.of_row.retain(|pane| *pane != LATE);
        Ok(Some(in_time.into()))
    }

    /// A row without a time is in no window.
    fn without_nulls(&mut self, times: &dyn Array) {
        let Some(nulls) = times.nulls() else { return };
        for (pane, valid) in self.of_row.iter_mut().zip(nulls.iter()) {
            if !valid {
                *pane = LATE;
            }
        }
    }

    fn look_up(&mut self, key: (Micros, Micros), pane: impl FnOnce() -> Option<Pane>) -> u32 {
        let hash =
            |(a, b): (Micros, Micros)| spread(a.rotate_left(32).wrapping_add(b).cast_unsigned());
        if let Some((_, found)) = self.known.find(hash(key), |(known, _)| *known == key) {
            return *found;
        }
        let found = match pane() {
            Some(pane) => {
                self.panes.push(pane);
                u32::try_from(self.panes.len() - 1).expect("no more panes than rows")
            }
            None => LATE,
        };
        self.known.insert_unique(hash(key), (key, found), |(known, _)| hash(*known));
        found
    }
}

/// The pane that begins at `start`, unless all its windows have fired.
fn assigned(window: &WindowKind, start: Micros, watermark: Micros) -> Option<Pane> {
    let open = window.windows_of_pane(start).into_iter().find(|(_, end)| *end > watermark);
    let (window_start, due) = open?;
    let fired = start + window.pane().unwrap_or_default() <= watermark;
    // What has fired of a cumulating window has been merged into its first pane.
    let merged = matches!(window, WindowKind::Cumulate { .. }) && fired;
    Some(Pane { namespace: if merged { window_start } else { start }, start: None, due })
}

fn no_panes() -> JobError {
    JobError::Unsupported("sessions have no panes".to_owned())
}
