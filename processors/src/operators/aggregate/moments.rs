//! Variance and standard deviation.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::Float64Type;

use super::cell::Cell;
use super::function::{Fixed, Slots};
use super::picked::Picked;
use crate::JobError;

/// Variance or standard deviation of what is not NULL (Welford 1962; merged by Chan, Golub and
/// `LeVeque` 1979). State: count, mean, sum of squared distances from the mean (8 bytes each).
pub(crate) struct Moments {
    pub(crate) root: bool,
    pub(crate) sample: bool,
}

#[derive(Clone, Copy, Default)]
struct State {
    count: i64,
    mean: f64,
    squares: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
impl State {
    fn read(bytes: &[u8]) -> Self {
        Self {
            count: i64::read(bytes),
            mean: f64::read(&bytes[8..]),
            squares: f64::read(&bytes[16..]),
        }
    }

    fn write(self, bytes: &mut [u8]) {
        self.count.write(bytes);
        self.mean.write(&mut bytes[8..]);
        self.squares.write(&mut bytes[16..]);
    }

    fn with(self, value: f64) -> Self {
        let count = self.count + 1;
        let distance = value - self.mean;
        let mean = self.mean + distance / count as f64;
        Self { count, mean, squares: self.squares + distance * (value - mean) }
    }

    fn without(self, value: f64) -> Self {
        let count = self.count - 1;
        if count <= 0 {
            return Self::default();
        }
        let distance = self.mean - value;
        let mean = self.mean + distance / count as f64;
        let squares = self.squares - (mean - value) * distance;
        Self { count, mean, squares: squares.max(0.0) }
    }

    fn merged(self, other: Self) -> Self {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let count = self.count + other.count;
        let (ours, theirs, all) = (self.count as f64, other.count as f64, count as f64);
        let distance = other.mean - self.mean;
        Self {
            count,
            mean: (ours * self.mean + theirs * other.mean) / all,
            squares: self.squares + other.squares + distance * distance * ours * theirs / all,
        }
    }
}

impl Fixed for Moments {
    fn width(&self) -> usize {
        24
    }

    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, retract: bool, slots: &mut Slots<'_>) {
        let array = args[0].as_primitive::<Float64Type>();
        picked.each(array.nulls(), |row, group| {
            let slot = slots.of(group);
            let (state, value) = (State::read(slot), array.value(row));
            let state = if retract { state.without(value) } else { state.with(value) };
            state.write(slot);
        });
    }

    fn merge(&self, into: &mut [u8], from: &[u8]) {
        State::read(into).merged(State::read(from)).write(into);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError> {
        let result = |bytes: &[u8]| {
            let state = State::read(bytes);
            let divisor = state.count - i64::from(self.sample);
            (divisor > 0).then(|| {
                let variance = state.squares / divisor as f64;
                if self.root { variance.sqrt() } else { variance }
            })
        };
        Ok(Arc::new(states.map(result).collect::<Float64Array>()))
    }
}
