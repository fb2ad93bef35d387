//! `covered_seconds(from, to)`: the length of the union of intervals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, plan_err};
use millrace_plan::AggregateFunction;

use crate::arguments::of_type;
use crate::coding::{Reader, put_i64};

/// The length of the union of the intervals `[from, to)`: what was watched of a title, however
/// often, in whatever order, and however often it was reported. Intervals that are empty, or of
/// which an end is not known, add nothing.
///
/// State: the union as disjoint intervals in ascending order, each as its distance from the end of
/// the one before and its length, both modulo 2⁶⁴: every pair of numbers survives, however far
/// apart. A length that no number holds counts as the greatest.
#[derive(Debug)]
pub(crate) struct CoveredSeconds;

fn read(state: &[u8]) -> Result<Vec<(i64, i64)>> {
    let (mut reader, mut end, mut intervals) = (Reader(state), 0, Vec::new());
    while !reader.0.is_empty() {
        let from = reader.i64()?.wrapping_add(end);
        end = reader.i64()?.wrapping_add(from);
        intervals.push((from, end));
    }
    Ok(intervals)
}

/// Replaces the state by the union of the intervals.
fn write(state: &mut Vec<u8>, mut intervals: Vec<(i64, i64)>) {
    intervals.sort_unstable();
    state.clear();
    let mut end = 0;
    let mut put = |(from, to): (i64, i64)| {
        put_i64(state, from.wrapping_sub(end));
        put_i64(state, to.wrapping_sub(from));
        end = to;
    };
    let mut open: Option<(i64, i64)> = None;
    for (from, to) in intervals {
        match &mut open {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => {
                open.replace((from, to)).map(&mut put);
            }
        }
    }
    open.map(put);
}

impl AggregateFunction for CoveredSeconds {
    fn name(&self) -> &'static str {
        "covered_seconds"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [from, to] if from.is_integer() && to.is_integer() => Ok(DataType::Int64),
            _ => plan_err!("covered_seconds takes two whole numbers: from and to"),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let (from, to) =
            (of_type(&args[0], &DataType::Int64)?, of_type(&args[1], &DataType::Int64)?);
        let (from, to) = (from.as_primitive::<Int64Type>(), to.as_primitive::<Int64Type>());
        let mut intervals = read(state)?;
        for row in rows.iter().map(|row| *row as usize) {
            if from.is_valid(row) && to.is_valid(row) && from.value(row) < to.value(row) {
                intervals.push((from.value(row), to.value(row)));
            }
        }
        write(state, intervals);
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let mut intervals = read(state)?;
        intervals.extend(read(other)?);
        write(state, intervals);
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let length = |state: &&[u8]| -> Result<i64> {
            let lengths = read(state)?.into_iter().map(|(from, to)| to.saturating_sub(from));
            Ok(lengths.fold(0, i64::saturating_add))
        };
        let lengths: Int64Array = states.iter().map(length).collect::<Result<Vec<_>>>()?.into();
        Ok(Arc::new(lengths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn covered(state: &[u8]) -> i64 {
        CoveredSeconds.finish(&[state]).unwrap().as_primitive::<Int64Type>().value(0)
    }

    proptest! {
        #[test]
        fn it_is_the_number_of_seconds_in_any_interval(
            intervals in prop::collection::vec((-50_i32..50, -5_i32..20), 0..20),
            split in 0_usize..20,
        ) {
            let seconds: BTreeSet<i32> =
                intervals.iter().flat_map(|(from, length)| *from..from + length).collect();
            let column = |end: fn(&(i32, i32)) -> i32| -> ArrayRef {
                let values = intervals.iter().map(|i| Some(end(i))).chain([None, Some(7)]);
                Arc::new(values.collect::<arrow::array::Int32Array>())
            };
            let args = [column(|i| i.0), column(|i| i.0 + i.1)];
            let rows: Vec<u32> = (0..=u32::try_from(intervals.len()).unwrap()).rev().collect();
            let (some, others) = rows.split_at(split.min(rows.len()));
            let (mut one, mut two) = (Vec::new(), Vec::new());
            CoveredSeconds.update(&mut one, &args, some).unwrap();
            CoveredSeconds.update(&mut two, &args, others).unwrap();
            CoveredSeconds.update(&mut two, &args, some).unwrap();
            CoveredSeconds.merge(&mut one, &two).unwrap();
            prop_assert_eq!(covered(&one), i64::try_from(seconds.len()).unwrap());
            prop_assert_eq!(one, two);
        }
    }
}
