//! Arguments of functions by type, and bytes of their states.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;

/// Times as microseconds: what states keep.
pub(crate) const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(crate) fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(crate) fn is_time(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..))
}

/// A column as `to`. A cast makes a new array even if there is nothing to do, and functions are
/// called for each group of a batch, most of which have one row.
pub(crate) fn of_type(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(if column.data_type() == to { Arc::clone(column) } else { cast(column, to)? })
}

/// A text of a column of texts, which is not NULL; `None` if the column is of something else.
pub(crate) fn text_at(column: &dyn Array, row: usize) -> Option<&str> {
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(column.as_string_view().value(row)),
        _ => None,
    }
}

/// Eight bytes off the front, as a number.
pub(crate) fn take_i64(rest: &mut &[u8]) -> Option<i64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(i64::from_le_bytes(*number))
}

/// Bytes off the front whose length, two bytes, is before them.
pub(crate) fn take_short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
    *rest = after;
    Some(bytes)
}
