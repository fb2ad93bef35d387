//! The open sessions of a key as bytes.
//!
//! A list of sessions by start: first and last time (8 bytes each, little-endian), length of the
//! state (4 bytes), state. No two of them touch.

use crate::operators::aggregate::{AggregateSet, States};
use crate::{JobError, Micros};

/// A session in the bytes of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session<'a> {
    pub(crate) first: Micros,
    pub(crate) last: Micros,
    pub(crate) state: &'a [u8],
}

/// Bytes of a session before its state.
const HEADER: usize = 20;

/// The sessions of a list.
pub(crate) fn sessions(mut bytes: &[u8]) -> impl Iterator<Item = Session<'_>> {
    std::iter::from_fn(move || {
        let (first, rest) = bytes.split_first_chunk::<8>()?;
        let (last, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (state, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        bytes = rest;
        Some(Session {
            first: Micros::from_le_bytes(*first),
            last: Micros::from_le_bytes(*last),
            state,
        })
    })
}

/// Appends a session.
pub(crate) fn push(list: &mut Vec<u8>, session: Session<'_>) {
    list.extend_from_slice(&session.first.to_le_bytes());
    list.extend_from_slice(&session.last.to_le_bytes());
    let length = u32::try_from(session.state.len()).expect("a state of less than 4 GiB");
    list.extend_from_slice(&length.to_le_bytes());
    list.extend_from_slice(session.state);
}

/// Rows of a key of which no two neighbours are further apart than the gap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) first: Micros,
    pub(crate) last: Micros,
    /// Their state, among those of the batch.
    pub(crate) group: usize,
}

/// Whether rows from `first` to `last` belong to the session: a silence of just the gap is still
/// inside, as in Flink.
pub(crate) fn touches(session: &Session<'_>, first: Micros, last: Micros, gap: Micros) -> bool {
    session.first.saturating_sub(gap) <= last && first <= session.last.saturating_add(gap)
}

/// Adds rows to the only session of a list, if they belong to it: what happens most often.
fn extend_only(
    list: &mut [u8],
    rows: &Stretch,
    gap: Micros,
    set: &AggregateSet,
    states: &States,
) -> bool {
    let Some(session) = sessions(list).next() else { return false };
    let (from, to) = (session.first.min(rows.first), session.last.max(rows.last));
    let alone = session.state.len() + HEADER == list.len();
    if !alone || !touches(&session, rows.first, rows.last, gap) {
        return false;
    }
    let (header, held) = list.split_at_mut(HEADER);
    if !set.merge_in_place(held, states, rows.group) {
        return false;
    }
    header[..8].copy_from_slice(&from.to_le_bytes());
    header[8..16].copy_from_slice(&to.to_le_bytes());
    true
}

/// Adds rows to a list. Returns whether a session is new, so that nothing will wake it yet.
pub(crate) fn add(
    list: &mut Vec<u8>,
    rows: &Stretch,
    gap: Micros,
    set: &AggregateSet,
    states: &States,
) -> Result<bool, JobError> {
    if extend_only(list, rows, gap, set, states) {
        return Ok(false);
    }
    let mut merged = Session { first: rows.first, last: rows.last, state: &[] };
    let mut state = Vec::new();
    let mut after = Vec::with_capacity(list.len());
    let mut touched = false;
    let mut later = Vec::new();
    let mut own = set.states();
    for session in sessions(list) {
        if touches(&session, rows.first, rows.last, gap) {
            merged.first = merged.first.min(session.first);
            merged.last = merged.last.max(session.last);
            if touched {
                own.reset(0);
                own.push(session.state);
                set.merge_into(&mut state, &own, 0)?;
            } else {
                state.extend_from_slice(session.state);
            }
            touched = true;
        } else if session.last < rows.first {
            push(&mut after, session);
        } else {
            push(&mut later, session);
        }
    }
    set.merge_into(&mut state, states, rows.group)?;
    push(&mut after, Session { state: &state, ..merged });
    after.extend_from_slice(&later);
    *list = after;
    Ok(!touched)
}
