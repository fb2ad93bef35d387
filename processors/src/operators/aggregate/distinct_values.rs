//! Which values a group has seen, in its own state: for `DISTINCT` over panes that are merged.

use arrow::array::ArrayRef;

use millrace_state::{RowCodec, Rows};

use super::function::Variable;
use super::picked::{Picked, row_number};
use super::set::{AggregateSet, Input};
use crate::JobError;

/// A function over distinct values. State: the encoded values, ascending by their bytes.
pub(crate) struct DistinctValues {
    codec: RowCodec,
    /// The function alone, over the values as columns 0, 1, …
    function: AggregateSet,
}

impl DistinctValues {
    pub(crate) fn new(codec: RowCodec, function: AggregateSet) -> Self {
        Self { codec, function }
    }

    /// Merges two ascending lists of values without repetition.
    fn merged<'a>(&'a self, a: &'a [u8], b: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut all = Vec::with_capacity(a.len());
        let mut a = self.codec.split(a).peekable();
        for b in b {
            while let Some(less) = a.next_if(|a| *a < b) {
                all.extend_from_slice(less);
            }
            a.next_if(|a| *a == b);
            all.extend_from_slice(b);
        }
        a.for_each(|rest| all.extend_from_slice(rest));
        all
    }
}

impl Variable for DistinctValues {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        _retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError> {
        let mut rows = Rows::new();
        self.codec.encode(args, &mut rows)?;
        let mut pairs = Vec::new();
        picked.each(None, |row, group| {
            if args.iter().all(|arg| arg.is_valid(row)) {
                pairs.push((group, rows.get(row)));
            }
        });
        pairs.sort_unstable();
        pairs.dedup();
        for part in pairs.chunk_by(|(a, _), (b, _)| a == b) {
            let state = &mut states[part[0].0];
            *state = self.merged(state, part.iter().map(|(_, value)| *value));
        }
        Ok(())
    }

    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError> {
        *into = self.merged(into, self.codec.split(from));
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError> {
        let (mut values, mut groups) = (Vec::new(), Vec::new());
        for (group, state) in states.iter().enumerate() {
            for value in self.codec.split(state) {
                values.push(value);
                groups.push(row_number(group));
            }
        }
        let mut result = self.function.states();
        result.reset(states.len());
        let columns = self.codec.decode(values)?;
        let input = Input { columns: &columns, groups: &groups, retracts: None, news: &[] };
        self.function.update(&input, &mut result)?;
        Ok(self.function.finish(&result)?.remove(0))
    }
}
