//! `COUNT`, and the truth of all or some.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::buffer::NullBuffer;

use super::cell::{Cell, add};
use super::function::{Fixed, Slots};
use super::picked::Picked;
use crate::JobError;

/// Rows in which no argument is NULL. State: the count (8 bytes).
pub(crate) struct Count;

impl Fixed for Count {
    fn width(&self) -> usize {
        8
    }

    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, retract: bool, slots: &mut Slots<'_>) {
        let by = if retract { -1 } else { 1 };
        let nulls = args
            .iter()
            .map(Array::logical_nulls)
            .fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls.as_ref()));
        picked.each(nulls.as_ref(), |_, group| add(slots.of(group), by));
    }

    fn merge(&self, into: &mut [u8], from: &[u8]) {
        add(into, i64::read(from));
    }

    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError> {
        Ok(Arc::new(Int64Array::from_iter_values(states.map(i64::read))))
    }
}

/// `BOOL_AND` and `MIN` (least truth), `BOOL_OR` and `MAX` (greatest) of booleans.
/// State: one byte; 0 nothing, 1 false, 2 true.
pub(crate) struct Truth {
    /// Whether one true is enough.
    pub(crate) any: bool,
}

impl Truth {
    fn put(&self, into: &mut u8, code: u8) {
        let wins = if self.any { code > *into } else { code < *into };
        if code != 0 && (*into == 0 || wins) {
            *into = code;
        }
    }
}

impl Fixed for Truth {
    fn width(&self) -> usize {
        1
    }

    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, _retract: bool, slots: &mut Slots<'_>) {
        let values = args[0].as_boolean();
        picked.each(values.nulls(), |row, group| {
            self.put(&mut slots.of(group)[0], 1 + u8::from(values.value(row)));
        });
    }

    fn merge(&self, into: &mut [u8], from: &[u8]) {
        self.put(&mut into[0], from[0]);
    }

    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError> {
        let truth = |state: &[u8]| (state[0] != 0).then_some(state[0] == 2);
        Ok(Arc::new(states.map(truth).collect::<BooleanArray>()))
    }
}
