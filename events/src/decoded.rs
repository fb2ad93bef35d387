//! What decoding makes of a batch: every row is either in the columns or dead with a reason.

use arrow::array::RecordBatch;

/// The outcome of decoding a [`RawBatch`](crate::RawBatch).
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Rows that decoded, in offset order, with the columns of the stream's schema.
    pub batch: RecordBatch,
    /// Row `i` of `batch` is record `rows[i]` of the raw batch; ascending.
    pub rows: Vec<u32>,
    /// Records that did not decode, and why; ascending by record.
    pub dead: Vec<(u32, String)>,
    /// Values of columns the schema does not name (they are dropped).
    pub unknown: u64,
}
