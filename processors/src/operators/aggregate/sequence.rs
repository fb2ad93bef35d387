//! Aggregates that depend on the order of rows: first, last, lists.
//!
//! The order is that of arrival within a pane of time, and of panes by time where several are
//! merged.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};

use millrace_state::{RowCodec, Rows};

use super::function::Variable;
use super::picked::{Picked, row_number};
use super::text_extreme::text_of;
use crate::JobError;

/// `FIRST_VALUE` or `LAST_VALUE` of what is not NULL (as Flink's). State: the encoded value.
pub(crate) struct Edge {
    last: bool,
    codec: RowCodec,
}

impl Edge {
    pub(crate) fn new(of: &DataType, last: bool) -> Result<Self, JobError> {
        Ok(Self { last, codec: RowCodec::new(std::slice::from_ref(of))? })
    }
}

impl Variable for Edge {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        _retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError> {
        const NONE: u32 = u32::MAX;
        let mut edges = vec![NONE; states.len()];
        picked.each(args[0].logical_nulls().as_ref(), |row, group| {
            if self.last || (edges[group] == NONE && states[group].is_empty()) {
                edges[group] = row_number(row);
            }
        });
        for (state, edge) in states.iter_mut().zip(edges) {
            if edge != NONE {
                state.clear();
                self.codec.encode_one(args, edge as usize, state)?;
            }
        }
        Ok(())
    }

    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError> {
        if !from.is_empty() && (self.last || into.is_empty()) {
            into.clear();
            into.extend_from_slice(from);
        }
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError> {
        // An encoded NULL stands for a state without a value.
        let nothing = arrow::array::new_null_array(&self.codec.types()[0], 1);
        let mut null = Vec::new();
        self.codec.encode_one(&[nothing], 0, &mut null)?;
        let rows = states.iter().map(|state| if state.is_empty() { &null[..] } else { state });
        Ok(self.codec.decode(rows)?.remove(0))
    }
}

/// `LISTAGG` of what is not NULL. State: 1, then the text; nothing if there is none.
pub(crate) struct ListAgg {
    pub(crate) separator: String,
}

impl ListAgg {
    fn put(&self, state: &mut Vec<u8>, text: &[u8]) {
        if state.is_empty() {
            state.push(1);
        } else {
            state.extend_from_slice(self.separator.as_bytes());
        }
        state.extend_from_slice(text);
    }
}

impl Variable for ListAgg {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        _retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError> {
        let texts = args[0].as_string::<i32>();
        picked.each(texts.nulls(), |row, group| {
            self.put(&mut states[group], texts.value(row).as_bytes());
        });
        Ok(())
    }

    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError> {
        if let Some((_, text)) = from.split_first() {
            self.put(into, text);
        }
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError> {
        let text = |state: &&[u8]| state.split_first().map(|(_, text)| text_of(text));
        Ok(Arc::new(states.iter().map(text).collect::<StringArray>()))
    }
}

/// `ARRAY_AGG`, with NULLs. State: the encoded values back to back.
pub(crate) struct ArrayAgg {
    codec: RowCodec,
}

impl ArrayAgg {
    pub(crate) fn new(of: &DataType) -> Result<Self, JobError> {
        Ok(Self { codec: RowCodec::new(std::slice::from_ref(of))? })
    }
}

impl Variable for ArrayAgg {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        _retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError> {
        let mut rows = Rows::new();
        self.codec.encode(args, &mut rows)?;
        picked.each(None, |row, group| states[group].extend_from_slice(rows.get(row)));
        Ok(())
    }

    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError> {
        into.extend_from_slice(from);
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError> {
        let mut values = Vec::new();
        let mut lengths = Vec::with_capacity(states.len());
        for state in states {
            let before = values.len();
            values.extend(self.codec.split(state));
            lengths.push(values.len() - before);
        }
        let item = &self.codec.types()[0];
        let values = if values.is_empty() {
            new_empty_array(item)
        } else {
            self.codec.decode(values)?.remove(0)
        };
        let nulls: NullBuffer = lengths.iter().map(|length| *length > 0).collect();
        let field = Arc::new(Field::new_list_field(item.clone(), true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(nulls))?))
    }
}
