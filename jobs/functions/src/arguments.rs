//! Arguments of functions by type, and bytes of their states.

use arrow::datatypes::{DataType, TimeUnit};

/// Times as microseconds: what states keep.
pub(crate) const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(crate) fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(crate) fn is_time(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..))
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
