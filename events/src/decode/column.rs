//! One column while a batch is decoded: plain vectors that can be cut back when a row turns out
//! bad.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array,
    ListArray, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use chrono::{DateTime, Datelike, NaiveDate};

use super::scan::{BadJson, Scan};
use crate::ColumnType;

/// Timestamps outside the years 1 to 9999 are refused: no table reader agrees on them.
const TIMESTAMPS_US: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;
/// `1970-01-01` counted as chrono counts days.
const EPOCH_DAY: i32 = 719_163;

/// Why a value did not become part of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Bad(BadJson),
    /// Well-formed, maybe, but not of the column's type.
    Type,
    /// Of the type, but too large for it.
    Range,
}

impl From<BadJson> for Fault {
    fn from(bad: BadJson) -> Self {
        Self::Bad(bad)
    }
}

/// Texts end to end.
#[derive(Debug)]
struct Texts {
    data: Vec<u8>,
    /// Starts with 0; Arrow's 32-bit offsets.
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { data: Vec::new(), ends: vec![0], valid: Vec::new() }
    }
}

impl Texts {
    fn push(&mut self, text: Option<&str>) -> Result<(), Fault> {
        let text_bytes = text.unwrap_or_default().as_bytes();
        let end = self.data.len() + text_bytes.len();
        self.ends.push(i32::try_from(end).map_err(|_| Fault::Range)?);
        self.data.extend_from_slice(text_bytes);
        self.valid.push(text.is_some());
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.ends.truncate(len + 1);
        self.data.truncate(end_of(&self.ends));
        self.valid.truncate(len);
    }

    fn finish(self) -> Result<StringArray, ArrowError> {
        let nulls = nulls(self.valid);
        StringArray::try_new(offsets(self.ends), Buffer::from_vec(self.data), nulls)
    }
}

/// Values with the elements of row `i` ending at `ends[i + 1]`.
#[derive(Debug)]
struct Lists<T> {
    items: T,
    ends: Vec<i32>,
}

#[derive(Debug)]
enum Values {
    Text(Texts),
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    /// Microseconds; a number in the JSON counts `unit_us` of them.
    Timestamp {
        us: Vec<i64>,
        unit_us: i64,
    },
    Date(Vec<i32>),
    TextList(Lists<Texts>),
    FloatList(Lists<(Vec<f64>, Vec<bool>)>),
}

impl Values {
    fn empty(data_type: ColumnType) -> Self {
        let ends = vec![0];
        match data_type {
            ColumnType::String => Self::Text(Texts::default()),
            ColumnType::Boolean => Self::Boolean(Vec::new()),
            ColumnType::Int32 => Self::Int32(Vec::new()),
            ColumnType::Int64 => Self::Int64(Vec::new()),
            ColumnType::Float32 => Self::Float32(Vec::new()),
            ColumnType::Float64 => Self::Float64(Vec::new()),
            ColumnType::TimestampMs => Self::Timestamp { us: Vec::new(), unit_us: 1_000 },
            ColumnType::TimestampUs => Self::Timestamp { us: Vec::new(), unit_us: 1 },
            ColumnType::Date => Self::Date(Vec::new()),
            ColumnType::StringList => Self::TextList(Lists { items: Texts::default(), ends }),
            ColumnType::Float64List => {
                Self::FloatList(Lists { items: (Vec::new(), Vec::new()), ends })
            }
        }
    }
}

/// A column under construction. A failed call may leave part of a value behind; [`Self::truncate`]
/// removes it.
#[derive(Debug)]
pub(super) struct ColumnBuffer {
    data_type: ColumnType,
    values: Values,
    valid: Vec<bool>,
}

impl ColumnBuffer {
    pub(super) fn new(data_type: ColumnType) -> Self {
        Self { data_type, values: Values::empty(data_type), valid: Vec::new() }
    }

    /// Makes room for `rows` more.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.valid.reserve(rows);
        match &mut self.values {
            Values::Text(texts) => {
                texts.ends.reserve(rows);
                texts.valid.reserve(rows);
            }
            Values::Boolean(v) => v.reserve(rows),
            Values::Int32(v) | Values::Date(v) => v.reserve(rows),
            Values::Int64(v) | Values::Timestamp { us: v, .. } => v.reserve(rows),
            Values::Float32(v) => v.reserve(rows),
            Values::Float64(v) => v.reserve(rows),
            Values::TextList(Lists { ends, .. }) | Values::FloatList(Lists { ends, .. }) => {
                ends.reserve(rows);
            }
        }
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    /// Whether the last row holds a value.
    pub(super) fn last_is_value(&self) -> bool {
        self.valid.last() == Some(&true)
    }

    /// Takes a JSON value as the next row.
    pub(super) fn read(&mut self, scan: &mut Scan<'_>) -> Result<(), Fault> {
        if scan.peek() == Some(b'n') && scan.take_all("null") {
            return self.push_null();
        }
        match &mut self.values {
            Values::Text(texts) => {
                if scan.peek() != Some(b'"') {
                    return Err(Fault::Type);
                }
                texts.push(Some(&scan.string()?))?;
            }
            Values::Boolean(v) => v.push(boolean(scan)?),
            Values::Int32(v) => v.push(i32::try_from(integer(scan)?).map_err(|_| Fault::Range)?),
            Values::Int64(v) => v.push(integer(scan)?),
            Values::Float32(v) => {
                let value: f32 = number(scan)?.parse().map_err(|_| Fault::Type)?;
                v.push(Some(value).filter(|v| v.is_finite()).ok_or(Fault::Range)?);
            }
            Values::Float64(v) => v.push(float64(scan)?),
            Values::Timestamp { us, unit_us } => us.push(timestamp_us(scan, *unit_us)?),
            Values::Date(v) => v.push(date(scan)?),
            Values::TextList(lists) => list(scan, |scan| {
                if scan.take_all("null") {
                    return lists.items.push(None);
                }
                if scan.peek() != Some(b'"') {
                    return Err(Fault::Type);
                }
                lists.items.push(Some(&scan.string()?))
            })
            .and_then(|()| end_list(&mut lists.ends, lists.items.valid.len()))?,
            Values::FloatList(lists) => list(scan, |scan| {
                let null = scan.take_all("null");
                lists.items.0.push(if null { 0.0 } else { float64(scan)? });
                lists.items.1.push(!null);
                Ok(())
            })
            .and_then(|()| end_list(&mut lists.ends, lists.items.1.len()))?,
        }
        self.valid.push(true);
        Ok(())
    }

    /// Makes the next row null.
    pub(super) fn push_null(&mut self) -> Result<(), Fault> {
        match &mut self.values {
            Values::Text(texts) => texts.push(None)?,
            Values::Boolean(v) => v.push(false),
            Values::Int32(v) | Values::Date(v) => v.push(0),
            Values::Int64(v) | Values::Timestamp { us: v, .. } => v.push(0),
            Values::Float32(v) => v.push(0.0),
            Values::Float64(v) => v.push(0.0),
            Values::TextList(Lists { ends, .. }) | Values::FloatList(Lists { ends, .. }) => {
                ends.push(end_of_i32(ends));
            }
        }
        self.valid.push(false);
        Ok(())
    }

    /// Makes the next row `text`; the column must be one of texts.
    pub(super) fn push_text(&mut self, text: &str) -> Result<(), Fault> {
        let Values::Text(texts) = &mut self.values else { return Err(Fault::Type) };
        texts.push(Some(text))?;
        self.valid.push(true);
        Ok(())
    }

    /// Makes the next row a time; the column must be one of timestamps.
    pub(super) fn push_time_ms(&mut self, ms: i64) -> Result<(), Fault> {
        let Values::Timestamp { us, .. } = &mut self.values else { return Err(Fault::Type) };
        us.push(in_range(ms.checked_mul(1_000).ok_or(Fault::Range)?)?);
        self.valid.push(true);
        Ok(())
    }

    /// Forgets every row from `len` on, and what a failed call left behind.
    pub(super) fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Text(texts) => texts.truncate(len),
            Values::Boolean(v) => v.truncate(len),
            Values::Int32(v) | Values::Date(v) => v.truncate(len),
            Values::Int64(v) | Values::Timestamp { us: v, .. } => v.truncate(len),
            Values::Float32(v) => v.truncate(len),
            Values::Float64(v) => v.truncate(len),
            Values::TextList(lists) => {
                lists.ends.truncate(len + 1);
                lists.items.truncate(end_of(&lists.ends));
            }
            Values::FloatList(lists) => {
                lists.ends.truncate(len + 1);
                lists.items.0.truncate(end_of(&lists.ends));
                lists.items.1.truncate(end_of(&lists.ends));
            }
        }
        self.valid.truncate(len);
    }

    /// The rows as an Arrow array; the buffer starts again at none.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = std::mem::replace(&mut self.values, Values::empty(self.data_type));
        let nulls = nulls(std::mem::take(&mut self.valid));
        Ok(match values {
            // Its own validity says the same.
            Values::Text(texts) => Arc::new(texts.finish()?),
            Values::Boolean(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), nulls)),
            Values::Int32(v) => Arc::new(Int32Array::try_new(v.into(), nulls)?),
            Values::Int64(v) => Arc::new(Int64Array::try_new(v.into(), nulls)?),
            Values::Float32(v) => Arc::new(Float32Array::try_new(v.into(), nulls)?),
            Values::Float64(v) => Arc::new(Float64Array::try_new(v.into(), nulls)?),
            Values::Timestamp { us, .. } => {
                Arc::new(TimestampMicrosecondArray::try_new(us.into(), nulls)?.with_timezone("UTC"))
            }
            Values::Date(v) => Arc::new(Date32Array::try_new(v.into(), nulls)?),
            Values::TextList(lists) => {
                let items = Arc::new(lists.items.finish()?);
                list_array(DataType::Utf8, lists.ends, items, nulls)?
            }
            Values::FloatList(Lists { items: (items, valid), ends }) => {
                let items = Arc::new(Float64Array::try_new(items.into(), self::nulls(valid))?);
                list_array(DataType::Float64, ends, items, nulls)?
            }
        })
    }
}

fn list_array(
    item: DataType,
    ends: Vec<i32>,
    items: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new_list_field(item, true));
    Ok(Arc::new(ListArray::try_new(field, offsets(ends), items, nulls)?))
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(ends))
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    (!valid.iter().all(|v| *v)).then(|| NullBuffer::from(valid))
}

fn end_of_i32(ends: &[i32]) -> i32 {
    *ends.last().expect("starts with 0 and is never cut to nothing")
}

fn end_of(ends: &[i32]) -> usize {
    usize::try_from(end_of_i32(ends)).expect("ends only grow from 0")
}

fn end_list(ends: &mut Vec<i32>, items: usize) -> Result<(), Fault> {
    ends.push(i32::try_from(items).map_err(|_| Fault::Range)?);
    Ok(())
}

fn in_range(us: i64) -> Result<i64, Fault> {
    if TIMESTAMPS_US.contains(&us) { Ok(us) } else { Err(Fault::Range) }
}

fn boolean(scan: &mut Scan<'_>) -> Result<bool, Fault> {
    if scan.take_all("true") {
        Ok(true)
    } else if scan.take_all("false") {
        Ok(false)
    } else {
        Err(Fault::Type)
    }
}

fn number<'a>(scan: &mut Scan<'a>) -> Result<&'a str, Fault> {
    match scan.peek() {
        Some(b'-' | b'0'..=b'9') => Ok(scan.number()?.text),
        _ => Err(Fault::Type),
    }
}

fn float64(scan: &mut Scan<'_>) -> Result<f64, Fault> {
    let value: f64 = number(scan)?.parse().map_err(|_| Fault::Type)?;
    if value.is_finite() { Ok(value) } else { Err(Fault::Range) }
}

/// JSON has one kind of number: `3.0` and `3e2` are integers, `3.5` is not.
fn integer(scan: &mut Scan<'_>) -> Result<i64, Fault> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(small) = scan.small_integer() {
        return Ok(small);
    }
    if !matches!(scan.peek(), Some(b'-' | b'0'..=b'9')) {
        return Err(Fault::Type);
    }
    let number = scan.number()?;
    if number.integer {
        return number.text.parse().map_err(|_| Fault::Range);
    }
    let value: f64 = number.text.parse().map_err(|_| Fault::Type)?;
    if value.fract() != 0.0 {
        return Err(Fault::Type);
    }
    if value.abs() > EXACT {
        return Err(Fault::Range);
    }
    #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
    Ok(value as i64)
}

fn timestamp_us(scan: &mut Scan<'_>, unit_us: i64) -> Result<i64, Fault> {
    let us = if scan.peek() == Some(b'"') {
        let text = scan.string()?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(|_| Fault::Type)?;
        time.timestamp_micros()
    } else {
        integer(scan)?.checked_mul(unit_us).ok_or(Fault::Range)?
    };
    in_range(us)
}

fn date(scan: &mut Scan<'_>) -> Result<i32, Fault> {
    if scan.peek() != Some(b'"') {
        return Err(Fault::Type);
    }
    let text = scan.string()?;
    let parts = match text.as_bytes() {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => (y, [*m1, *m2], [*d1, *d2]),
        _ => return Err(Fault::Type),
    };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')))
    };
    let year = number(parts.0).and_then(|y| i32::try_from(y).ok()).filter(|y| *y > 0);
    let (Some(year), Some(month), Some(day)) = (year, number(&parts.1), number(&parts.2)) else {
        return Err(Fault::Type);
    };
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(Fault::Type)?;
    Ok(date.num_days_from_ce() - EPOCH_DAY)
}

fn list<'a>(
    scan: &mut Scan<'a>,
    mut item: impl FnMut(&mut Scan<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if !scan.take(b'[') {
        return Err(Fault::Type);
    }
    scan.whitespace();
    if scan.take(b']') {
        return Ok(());
    }
    loop {
        scan.whitespace();
        item(scan)?;
        scan.whitespace();
        if scan.take(b']') {
            return Ok(());
        }
        scan.need(b',', "`,` or `]`")?;
    }
}
