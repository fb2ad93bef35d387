//! Text to typed columns, and what type a column of text has.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, PrimitiveBuilder, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use millrace_events::ColumnType;

use super::columns::Kind;

/// Numbers beyond this are microseconds since 1970 (March 1973), others milliseconds (year 5138).
const LEAST_MICROS: u64 = 100_000_000_000_000;

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Why a column of text has not the type it should.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The value in this row.
    Row(usize),
    /// All of it.
    Type(ArrowError),
}

/// Reads text as values of `kind`.
pub(super) fn read(text: &StringArray, kind: &Kind) -> Result<ArrayRef, Unreadable> {
    let (kind_type, lenient) = (kind.arrow(), CastOptions { safe: true, ..CastOptions::default() });
    let values: ArrayRef = match kind.wire() {
        DataType::Utf8 => return Ok(Arc::new(text.clone())),
        DataType::Timestamp(unit, _) => times(text, micros_per(unit)),
        other => cast_with_options(text, &other, &lenient).map_err(Unreadable::Type)?,
    };
    if let Some(row) = (0..text.len()).find(|row| values.is_null(*row) && text.is_valid(*row)) {
        return Err(Unreadable::Row(row));
    }
    cast(&values, &kind_type).map_err(Unreadable::Type)
}

fn micros_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond | TimeUnit::Nanosecond => 1,
    }
}

/// Texts as times in UTC, numbers as so many microseconds each; NULL what is neither.
fn times(text: &StringArray, micros: i64) -> ArrayRef {
    let lenient = CastOptions { safe: true, ..CastOptions::default() };
    let parsed = cast_with_options(text, &MICROS, &lenient).expect("text can be read as a time");
    let parsed = parsed.as_primitive::<TimestampMicrosecondType>();
    let mut times = PrimitiveBuilder::<TimestampMicrosecondType>::with_capacity(text.len());
    for row in 0..text.len() {
        let number = || text.value(row).parse::<i64>().ok()?.checked_mul(micros);
        times.append_option(match parsed.is_valid(row) {
            true => Some(parsed.value(row)),
            false if text.is_valid(row) => number(),
            false => None,
        });
    }
    let times: TimestampMicrosecondArray = times.finish();
    Arc::new(times.with_timezone("UTC"))
}

/// Whether every value is a date and time, and there is one.
pub(super) fn are_times(text: &StringArray) -> bool {
    const SHORTEST: usize = "2019-11-24 00:00".len();
    text.null_count() < text.len()
        && text.iter().flatten().all(|value| value.len() >= SHORTEST)
        && cast(text, &MICROS).is_ok_and(|times| times.null_count() == text.null_count())
}

/// The type that numbers have when they are times.
pub(super) fn times_of_numbers(values: &ArrayRef) -> Option<ColumnType> {
    let numbers = cast(values, &DataType::Int64).ok()?;
    let numbers = numbers.as_primitive::<arrow::datatypes::Int64Type>();
    let greatest = numbers.iter().flatten().map(i64::unsigned_abs).max()?;
    Some(if greatest >= LEAST_MICROS { ColumnType::TimestampUs } else { ColumnType::TimestampMs })
}

/// The narrowest type that every value of a column has.
pub(super) fn narrow(text: &StringArray) -> ColumnType {
    if text.null_count() == text.len() {
        return ColumnType::String;
    }
    let is = |kind: ColumnType| read(text, &Kind::Event(kind)).is_ok();
    let word = |value: &str| matches!(value, "true" | "false" | "True" | "False");
    if text.iter().flatten().all(word) {
        return ColumnType::Boolean;
    }
    let date = |value: &str| value.len() == "2019-11-24".len();
    if text.iter().flatten().all(date) && is(ColumnType::Date) {
        return ColumnType::Date;
    }
    let fits = [ColumnType::Int64, ColumnType::Float64].into_iter().find(|kind| is(*kind));
    fits.unwrap_or(if are_times(text) { ColumnType::TimestampUs } else { ColumnType::String })
}
