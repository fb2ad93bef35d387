//! Aggregates that the program registered.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use millrace_plan::AggregateFunction;

use super::function::Variable;
use super::picked::{Picked, row_number};
use crate::JobError;

/// A registered function. State: the function's own bytes.
pub(crate) struct Registered {
    pub(crate) function: Arc<dyn AggregateFunction>,
}

impl Variable for Registered {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError> {
        let mut pairs = Vec::new();
        picked.each(None, |row, group| pairs.push((group, row_number(row))));
        // Stable: the rows of a group stay in order of arrival.
        pairs.sort_by_key(|(group, _)| *group);
        // Functions may look at whole columns, as a cast does: each group gets its own part of
        // them, or a batch would cost all its rows for each of its groups.
        let order = UInt32Array::from_iter_values(pairs.iter().map(|(_, row)| *row));
        let sorted: Vec<ArrayRef> =
            args.iter().map(|arg| take(arg, &order, None)).collect::<Result<_, _>>()?;
        let (mut start, mut rows) = (0, Vec::new());
        for part in pairs.chunk_by(|(a, _), (b, _)| a == b) {
            let own: Vec<_> = sorted.iter().map(|arg| arg.slice(start, part.len())).collect();
            start += part.len();
            rows.clear();
            rows.extend((0..part.len()).map(row_number));
            let state = &mut states[part[0].0];
            if retract {
                self.function.retract(state, &own, &rows)?;
            } else {
                self.function.update(state, &own, &rows)?;
            }
        }
        Ok(())
    }

    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError> {
        if from.is_empty() {
            return Ok(());
        }
        if into.is_empty() {
            into.extend_from_slice(from);
            return Ok(());
        }
        Ok(self.function.merge(into, from)?)
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError> {
        Ok(self.function.finish(states)?)
    }
}
