//! Windows over event time, and which windows an instant is in.

use serde::{Deserialize, Serialize};

/// A family of windows. All lengths are microseconds; windows are `[start, end)`.
///
/// The source of the four forms and of their alignment is the Flink SQL documentation, *Windowing
/// table-valued functions*: windows are aligned to the epoch plus `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WindowKind {
    /// Windows side by side.
    Tumble {
        /// Length.
        size: i64,
        /// Shift of the alignment.
        offset: i64,
    },
    /// Windows of `size` that begin every `slide`.
    Hop {
        /// Length.
        size: i64,
        /// Distance of beginnings; `size` is a multiple of it.
        slide: i64,
        /// Shift of the alignment.
        offset: i64,
    },
    /// Windows that begin together and grow by `step` up to `size`.
    Cumulate {
        /// Greatest length, a multiple of `step`.
        size: i64,
        /// Growth.
        step: i64,
        /// Shift of the alignment.
        offset: i64,
    },
    /// Windows that end when a key had no row for `gap`.
    Session {
        /// Longest silence inside a session.
        gap: i64,
    },
}

impl WindowKind {
    /// Length of a pane: the longest stretch of time that no window divides. `None` for sessions.
    pub fn pane(&self) -> Option<i64> {
        match *self {
            Self::Tumble { size, .. } => Some(size),
            Self::Hop { slide, .. } => Some(slide),
            Self::Cumulate { step, .. } => Some(step),
            Self::Session { .. } => None,
        }
    }

    /// Start of the pane that holds `time`. Sessions have none: panics.
    pub fn pane_start(&self, time: i64) -> i64 {
        let (pane, offset) = match *self {
            Self::Tumble { size, offset } => (size, offset),
            Self::Hop { slide, offset, .. } => (slide, offset),
            Self::Cumulate { step, offset, .. } => (step, offset),
            Self::Session { .. } => unreachable!("sessions have no panes"),
        };
        (time - offset).div_euclid(pane) * pane + offset
    }

    /// The windows `(start, end)` that hold the pane beginning at `pane_start`, earliest end first.
    pub fn windows_of_pane(&self, pane_start: i64) -> Vec<(i64, i64)> {
        match *self {
            Self::Tumble { size, .. } => vec![(pane_start, pane_start + size)],
            Self::Hop { size, slide, .. } => {
                let count = size / slide;
                (0..count)
                    .rev()
                    .map(|back| {
                        let start = pane_start - back * slide;
                        (start, start + size)
                    })
                    .collect()
            }
            Self::Cumulate { size, step, offset } => {
                let start = (pane_start - offset).div_euclid(size) * size + offset;
                let first = (pane_start - start) / step + 1;
                (first..=size / step).map(|n| (start, start + n * step)).collect()
            }
            Self::Session { .. } => unreachable!("sessions have no panes"),
        }
    }
}
