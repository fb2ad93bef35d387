//! Counts in which an event weighs less the older it is, and the time they are of.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use datafusion::common::{Result, plan_err};
use millrace_plan::AggregateFunction;

use super::arguments::{MICROS, is_time, of_type};

const MICROS_PER_SECOND: f64 = 1e6;

/// `decayed_count(time, tau)`: the sum of `exp((time − t) / tau)` over all rows, `t` being the
/// greatest time; `tau` is in seconds and the same in all rows. Rows without a time, or with a
/// `tau` that is not above 0 and finite, are left out.
///
/// Depends on the rows alone, neither on their order nor on a clock: forward decay of Cormode,
/// Shkapenyuk, Srivastava and Xu (ICDE 2009) with an exponential, kept relative to the greatest
/// time so that no number grows beyond the count of rows. At a later time `u` it is `exp((t − u) /
/// tau)` times as much.
///
/// State: the greatest time in microseconds, `tau`, the sum; eight bytes each, little-endian.
#[derive(Debug)]
pub(crate) struct DecayedCount;

/// `latest_time(time)`: the greatest time, [`DecayedCount`]'s `t`. Unlike `MAX` it reads
/// changelogs, and keeps a time that was taken back: times only move on.
///
/// State: the time in microseconds.
#[derive(Debug)]
pub(crate) struct LatestTime;

/// What [`DecayedCount`] knows.
#[derive(Debug, Clone, Copy)]
struct Decayed {
    latest: i64,
    tau: f64,
    sum: f64,
}

impl Decayed {
    fn read(state: &[u8]) -> Option<Self> {
        let part = |at: usize| state.get(at..at + 8)?.try_into().ok();
        Some(Self {
            latest: i64::from_le_bytes(part(0)?),
            tau: f64::from_le_bytes(part(8)?),
            sum: f64::from_le_bytes(part(16)?),
        })
    }

    fn write(self, state: &mut Vec<u8>) {
        state.clear();
        state.extend(self.latest.to_le_bytes());
        state.extend(self.tau.to_le_bytes());
        state.extend(self.sum.to_le_bytes());
    }

    /// Adds what is known of other rows, or takes a row back when its sum is negative.
    fn add(self, other: Self) -> Self {
        let latest = self.latest.max(other.latest);
        let sum = self.at(latest) + other.at(latest);
        Self { latest, sum, ..self }
    }

    /// The sum at a time that is not before the latest.
    fn at(self, time: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "285 years of microseconds are exact")]
        let age = time.saturating_sub(self.latest) as f64 / MICROS_PER_SECOND;
        self.sum * (-age / self.tau).exp()
    }
}

fn change(state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32], weight: f64) -> Result<()> {
    let times = of_type(&args[0], &MICROS)?;
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let taus = of_type(&args[1], &DataType::Float64)?;
    let taus = taus.as_primitive::<Float64Type>();
    let mut known = Decayed::read(state);
    for row in rows.iter().map(|row| *row as usize) {
        let tau = taus.value(row);
        if times.is_valid(row) && taus.is_valid(row) && tau > 0.0 && tau.is_finite() {
            let one = Decayed { latest: times.value(row), tau, sum: weight };
            known = Some(known.map_or(one, |known| known.add(one)));
        }
    }
    if let Some(known) = known {
        known.write(state);
    }
    Ok(())
}

/// The type of times in SQL.
fn instant() -> DataType {
    TimestampMicrosecondArray::from(Vec::<i64>::new()).with_timezone("UTC").data_type().clone()
}

impl AggregateFunction for DecayedCount {
    fn name(&self) -> &'static str {
        "decayed_count"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [time, tau] if is_time(time) && tau.is_numeric() => Ok(DataType::Float64),
            _ => plan_err!("decayed_count takes a time and a number of seconds"),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        change(state, args, rows, 1.0)
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let both = [Decayed::read(state), Decayed::read(other)];
        if let Some(sum) = both.into_iter().flatten().reduce(Decayed::add) {
            sum.write(state);
        }
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        change(state, args, rows, -1.0)
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let sum = |state: &&[u8]| Decayed::read(state).map(|known| known.sum);
        Ok(Arc::new(states.iter().map(sum).collect::<Float64Array>()))
    }
}

fn later(state: &mut Vec<u8>, time: i64) {
    let known = state.as_slice().try_into().map_or(time, i64::from_le_bytes);
    state.clear();
    state.extend(known.max(time).to_le_bytes());
}

impl AggregateFunction for LatestTime {
    fn name(&self) -> &'static str {
        "latest_time"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [time] if is_time(time) => Ok(instant()),
            _ => plan_err!("latest_time takes a time"),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let times = of_type(&args[0], &MICROS)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let rows = rows.iter().map(|row| *row as usize).filter(|row| times.is_valid(*row));
        if let Some(time) = rows.map(|row| times.value(row)).max() {
            later(state, time);
        }
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        if let Ok(time) = other.try_into() {
            later(state, i64::from_le_bytes(time));
        }
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, _: &mut Vec<u8>, _: &[ArrayRef], _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let time = |state: &&[u8]| Some(i64::from_le_bytes((*state).try_into().ok()?));
        let times: TimestampMicrosecondArray = states.iter().map(time).collect();
        Ok(Arc::new(times.with_timezone("UTC")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;
    const TAU: f64 = 86_400.0;

    fn args(times: &[Option<i64>]) -> [ArrayRef; 2] {
        let taus = Float64Array::from(vec![TAU; times.len()]);
        let times = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
        [Arc::new(times), Arc::new(taus)]
    }

    fn count(state: &[u8]) -> Option<f64> {
        let counts = DecayedCount.finish(&[state]).unwrap();
        let counts = counts.as_primitive::<Float64Type>();
        counts.is_valid(0).then(|| counts.value(0))
    }

    #[test]
    fn a_row_weighs_less_by_its_age_whatever_the_order() {
        let times = [Some(2 * DAY), Some(0), None, Some(DAY)];
        let expected = 1.0 + (-1_f64).exp() + (-2_f64).exp();
        for order in [[0, 1, 2, 3], [1, 3, 2, 0], [3, 0, 1, 2]] {
            let mut state = Vec::new();
            DecayedCount.update(&mut state, &args(&times), &order).unwrap();
            assert!((count(&state).unwrap() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn parts_merge_and_rows_are_taken_back() {
        let times = args(&[Some(0), Some(3 * DAY), Some(DAY)]);
        let (mut state, mut other) = (Vec::new(), Vec::new());
        DecayedCount.update(&mut state, &times, &[0]).unwrap();
        DecayedCount.update(&mut other, &times, &[1, 2]).unwrap();
        DecayedCount.merge(&mut state, &other).unwrap();
        DecayedCount.merge(&mut state, &[]).unwrap();
        DecayedCount.retract(&mut state, &times, &[2]).unwrap();
        assert!((count(&state).unwrap() - (1.0 + (-3_f64).exp())).abs() < 1e-12);
        let mut empty = Vec::new();
        DecayedCount.merge(&mut empty, &other).unwrap();
        assert_eq!(empty, other);
        assert_eq!(count(&[]), None);
    }

    #[test]
    fn centuries_do_not_overflow() {
        let mut state = Vec::new();
        let times = args(&[Some(0), Some(100 * 365 * DAY)]);
        DecayedCount.update(&mut state, &times, &[1, 0]).unwrap();
        assert_eq!(count(&state), Some(1.0));
    }

    #[test]
    fn the_latest_time_stays() {
        let times = args(&[Some(5), None, Some(7), Some(6)]);
        let mut state = Vec::new();
        LatestTime.update(&mut state, &times[..1], &[1]).unwrap();
        assert!(state.is_empty());
        LatestTime.update(&mut state, &times[..1], &[0, 1, 2]).unwrap();
        LatestTime.merge(&mut state, &6_i64.to_le_bytes()).unwrap();
        LatestTime.retract(&mut state, &times[..1], &[2]).unwrap();
        let found = LatestTime.finish(&[&state, &[]]).unwrap();
        let found = found.as_primitive::<TimestampMicrosecondType>();
        assert_eq!((found.value(0), found.is_null(1)), (7, true));
    }
}
