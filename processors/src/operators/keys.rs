//! The encoded key of each row of a batch.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use millrace_state::{Key, KeyGroup, RowCodec, Rows};

use crate::{JobError, Micros};

/// Encodes key columns, a batch at a time.
///
/// The bytes are those by which the exchange deals rows, so that a key's group is one of the
/// instance's own.
pub(crate) struct Keys {
    columns: Vec<usize>,
    codec: RowCodec,
    rows: Rows,
}

impl Keys {
    pub(crate) fn new(schema: &SchemaRef, columns: Vec<usize>) -> Result<Self, JobError> {
        let codec = codec_of(schema, &columns)?;
        Ok(Self { columns, codec, rows: Rows::new() })
    }

    /// Encodes the keys of a batch, in place of those of the last one.
    pub(crate) fn encode(&mut self, rows: &RecordBatch) -> Result<(), JobError> {
        self.rows.clear();
        let columns: Vec<_> =
            self.columns.iter().map(|&column| rows.column(column).clone()).collect();
        Ok(self.codec.encode(&columns, &mut self.rows)?)
    }

    /// The key of a row of the batch; without key columns the one key there is.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        if self.columns.is_empty() { b"" } else { self.rows.get(row) }
    }

    /// Whether a column of the key of `row` is NULL.
    pub(crate) fn has_null(&self, rows: &RecordBatch, row: usize) -> bool {
        self.columns.iter().any(|&column| rows.column(column).is_null(row))
    }
}

/// The codec of some columns of `schema`.
pub(crate) fn codec_of(schema: &SchemaRef, columns: &[usize]) -> Result<RowCodec, JobError> {
    let types: Vec<DataType> =
        columns.iter().map(|&column| schema.field(column).data_type().clone()).collect();
    Ok(RowCodec::new(&types)?)
}

/// The codec of all columns of `schema`.
pub(crate) fn codec_of_all(schema: &SchemaRef) -> Result<RowCodec, JobError> {
    codec_of(schema, &(0..schema.fields().len()).collect::<Vec<_>>())
}

/// A key in one window: the partitioning key, which gives the key group, then the window's start.
#[derive(Default)]
pub(crate) struct WindowKey {
    bytes: Vec<u8>,
}

impl WindowKey {
    /// The key `partition` in the window that starts at `start`.
    pub(crate) fn of(&mut self, partition: &[u8], start: Micros) -> Key<'_> {
        self.bytes.clear();
        self.bytes.extend_from_slice(partition);
        self.bytes.extend_from_slice(&start.to_le_bytes());
        Key::within(KeyGroup::of(millrace_state::hash(partition)), &self.bytes)
    }
}
