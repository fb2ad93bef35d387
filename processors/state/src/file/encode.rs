//! Changes of tables to the bytes of a file.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int64Builder, RecordBatch, UInt16Builder, UInt32Builder,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use bytes::Bytes;

use super::format::{TableEntry, schema};
use crate::{Change, Frozen, StateError};

/// Rows of a batch at most.
const BATCH_ROWS: usize = 1 << 16;
/// Bytes of keys and values after which a batch is written.
const BATCH_BYTES: usize = 2 << 20;

/// Encodes a file piece by piece.
pub(super) struct Encoder {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    columns: Columns,
    encoded: Encoded,
}

/// What a file has come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Encoded {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

#[derive(Default)]
struct Columns {
    table: UInt32Builder,
    namespace: Int64Builder,
    group: UInt16Builder,
    key: BinaryBuilder,
    value: BinaryBuilder,
    rows: usize,
    bytes: usize,
}

fn failed(error: ArrowError) -> StateError {
    StateError::store("encoding state", error)
}

impl Encoder {
    pub(super) fn new(tables: &[TableEntry]) -> Result<Self, StateError> {
        let schema = schema(tables);
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(failed)?;
        let writer =
            StreamWriter::try_new_with_options(Vec::new(), &schema, options).map_err(failed)?;
        Ok(Self { writer, schema, columns: Columns::default(), encoded: Encoded::default() })
    }

    /// Adds a change of table number `table`, and sends off a batch when it is full.
    pub(super) fn push(
        &mut self,
        table: u32,
        change: &Change<'_>,
        send: &mut impl FnMut(Bytes) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let columns = &mut self.columns;
        columns.table.append_value(table);
        columns.namespace.append_value(change.namespace);
        columns.group.append_value(change.group.0);
        columns.key.append_value(change.key);
        columns.value.append_option(change.value);
        columns.rows += 1;
        columns.bytes += change.key.len() + change.value.map_or(0, <[u8]>::len);
        if columns.rows == BATCH_ROWS || columns.bytes >= BATCH_BYTES {
            self.flush(send)?;
        }
        Ok(())
    }

    /// Adds everything that changed in table number `table`.
    pub(super) fn add(
        &mut self,
        table: usize,
        frozen: Frozen,
        send: &mut impl FnMut(Bytes) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let table = u32::try_from(table).expect("an instance has few tables");
        frozen.drain(|change| self.push(table, &change, send))
    }

    fn flush(
        &mut self,
        send: &mut impl FnMut(Bytes) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let columns = &mut self.columns;
        self.encoded.rows += columns.rows as u64;
        (columns.rows, columns.bytes) = (0, 0);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(columns.table.finish()),
            Arc::new(columns.namespace.finish()),
            Arc::new(columns.group.finish()),
            Arc::new(columns.key.finish()),
            Arc::new(columns.value.finish()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(failed)?;
        self.writer.write(&batch).map_err(failed)?;
        self.send(send)
    }

    fn send(
        &mut self,
        send: &mut impl FnMut(Bytes) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let bytes = std::mem::take(self.writer.get_mut());
        self.encoded.bytes += bytes.len() as u64;
        send(bytes.into())
    }

    /// Ends the file.
    pub(super) fn finish(
        mut self,
        send: &mut impl FnMut(Bytes) -> Result<(), StateError>,
    ) -> Result<Encoded, StateError> {
        if self.columns.rows > 0 {
            self.flush(send)?;
        }
        self.writer.finish().map_err(failed)?;
        self.send(send)?;
        Ok(self.encoded)
    }
}
