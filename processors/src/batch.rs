//! Rows in columns, and what each of them does to what came before.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, UInt8Array, UInt32Array};
use arrow::compute::{filter, filter_record_batch, take, take_record_batch};
use arrow::datatypes::UInt8Type;

use crate::JobError;

/// What a row of a changelog does. The names are Flink's row kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RowKind {
    /// A new row.
    Insert = 0,
    /// The row that the following update-after replaces.
    UpdateBefore = 1,
    /// The new form of a row.
    UpdateAfter = 2,
    /// A row that is gone.
    Delete = 3,
}

impl RowKind {
    /// The kind written as `code`.
    pub fn of(code: u8) -> Self {
        match code {
            0 => Self::Insert,
            1 => Self::UpdateBefore,
            2 => Self::UpdateAfter,
            3 => Self::Delete,
            other => unreachable!("no row kind {other}: kinds are made by this crate"),
        }
    }

    /// Whether the row takes something back rather than adding it.
    pub fn is_retraction(self) -> bool {
        matches!(self, Self::UpdateBefore | Self::Delete)
    }
}

/// Rows, and their kinds unless all are inserts.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The rows.
    pub rows: RecordBatch,
    /// [`RowKind`] of each row; `None` when all are inserts.
    pub kinds: Option<UInt8Array>,
}

impl Batch {
    /// New rows.
    pub fn append(rows: RecordBatch) -> Self {
        Self { rows, kinds: None }
    }

    /// Rows of a changelog.
    pub fn changes(rows: RecordBatch, kinds: &[RowKind]) -> Self {
        assert_eq!(rows.num_rows(), kinds.len(), "one kind for each row");
        let kinds = UInt8Array::from_iter_values(kinds.iter().map(|kind| *kind as u8));
        Self { rows, kinds: Some(kinds) }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Kind of row `row`.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| RowKind::of(kinds.value(row)))
    }

    /// The rows for which `keep` is true.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self, JobError> {
        let rows = filter_record_batch(&self.rows, keep)?;
        let kinds = match &self.kinds {
            Some(kinds) => Some(filter(kinds, keep)?.as_primitive::<UInt8Type>().clone()),
            None => None,
        };
        Ok(Self { rows, kinds })
    }

    /// The rows at `rows`, in that order.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self, JobError> {
        let kinds = match &self.kinds {
            Some(kinds) => Some(take(kinds, rows, None)?.as_primitive::<UInt8Type>().clone()),
            None => None,
        };
        Ok(Self { rows: take_record_batch(&self.rows, rows)?, kinds })
    }

    /// Memory of the rows, in bytes.
    pub fn bytes(&self) -> usize {
        let kinds = self.kinds.as_ref().map_or(0, Array::get_array_memory_size);
        self.rows.get_array_memory_size() + kinds
    }
}
