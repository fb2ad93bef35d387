//! Closed windows as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use millrace_state::{RowCodec, Rows};

use crate::operators::aggregate::{AggregateSet, States};
use crate::operators::columns::{WINDOW_TIME_BEFORE_END, rows_of, typed};
use crate::{Batch, JobError, Micros, Output};

/// Rows of one batch of output at most.
const BATCH: usize = 8192;

/// Makes rows of keys, windows and states.
pub(crate) struct Emitter {
    codec: RowCodec,
    output: SchemaRef,
}

/// What has fired: of each group its key, window and state.
#[derive(Debug, Default)]
pub(crate) struct Fired {
    pub(crate) keys: Rows,
    pub(crate) starts: Vec<Micros>,
    pub(crate) ends: Vec<Micros>,
    pub(crate) states: States,
}

impl Fired {
    pub(crate) fn new(states: States) -> Self {
        Self { states, ..Self::default() }
    }

    pub(crate) fn push(&mut self, key: &[u8], window: (Micros, Micros), state: &[u8]) {
        self.keys.push(key);
        self.starts.push(window.0);
        self.ends.push(window.1);
        self.states.push(state);
    }
}

impl Emitter {
    pub(crate) fn new(codec: RowCodec, output: SchemaRef) -> Self {
        Self { codec, output }
    }

    /// Sends everything that has fired, in its order.
    pub(crate) fn emit(
        &self,
        fired: &Fired,
        set: &AggregateSet,
        out: &mut Output,
    ) -> Result<(), JobError> {
        let count = fired.states.len();
        if count == 0 {
            return Ok(());
        }
        let mut columns = if self.codec.types().is_empty() {
            Vec::new()
        } else {
            self.codec.decode(fired.keys.iter())?
        };
        columns.push(instants(fired.starts.iter().copied()));
        columns.push(instants(fired.ends.iter().copied()));
        columns.push(instants(fired.ends.iter().map(|end| end - WINDOW_TIME_BEFORE_END)));
        columns.extend(set.finish(&fired.states)?);
        let columns = columns
            .into_iter()
            .zip(self.output.fields())
            .map(|(column, field)| typed(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = rows_of(&self.output, columns, count)?;
        for from in (0..count).step_by(BATCH) {
            out.push(Batch::append(rows.slice(from, BATCH.min(count - from))));
        }
        Ok(())
    }
}

fn instants(values: impl Iterator<Item = Micros>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

/// The types of the key columns.
pub(crate) fn key_types(input: &SchemaRef, keys: &[usize]) -> Vec<DataType> {
    keys.iter().map(|key| input.field(*key).data_type().clone()).collect()
}
