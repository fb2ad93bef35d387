//! Aggregates that the program registered.

use std::sync::Arc;

use arrow::array::ArrayRef;

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
        let mut rows = Vec::new();
        for part in pairs.chunk_by(|(a, _), (b, _)| a == b) {
            rows.clear();
            rows.extend(part.iter().map(|(_, row)| *row));
            let state = &mut states[part[0].0];
            if retract {
                self.function.retract(state, args, &rows)?;
            } else {
                self.function.update(state, args, &rows)?;
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
