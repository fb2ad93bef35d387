//! A column that gives its cells as bytes: downcast once, then read by row.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, StringViewArray, downcast_array,
};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type};

use crate::{StateError, varint};

/// A column to encode.
pub(super) struct Source<'a> {
    pub(super) nulls: Option<&'a NullBuffer>,
    pub(super) cells: Cells<'a>,
}

/// The values of a column, by how they are laid out.
pub(super) enum Cells<'a> {
    Nothing,
    /// Of a column that can only hold nulls: a dictionary without values.
    AllNull,
    Boolean(BooleanArray),
    Fixed(Buffer, usize),
    Float16(&'a [<Float16Type as ArrowPrimitiveType>::Native]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Bytes(&'a [i32], &'a [u8]),
    LargeBytes(&'a [i64], &'a [u8]),
    Strings(&'a StringViewArray),
    Binaries(&'a BinaryViewArray),
    List(Cow<'a, [i32]>, Box<Source<'a>>),
    LargeList(&'a [i64], Box<Source<'a>>),
    Struct(Vec<Source<'a>>),
    Dictionary(Vec<usize>, Box<Source<'a>>),
}

impl<'a> Source<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self, StateError> {
        Ok(Self { nulls: array.nulls(), cells: cells(array)? })
    }

    /// Appends the cell of `row`.
    #[inline]
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return match &self.cells {
                Cells::Nothing => {}
                _ => out.push(0),
            };
        }
        match &self.cells {
            Cells::Nothing => {}
            Cells::AllNull => out.push(0),
            Cells::Boolean(values) => out.push(1 + u8::from(values.value(row))),
            Cells::Fixed(bytes, width) => write_fixed(bytes, *width, row, out),
            Cells::Float16(values) => present(canonical_16(values[row].to_bits()), out),
            Cells::Float32(values) => present(canonical_32(values[row]), out),
            Cells::Float64(values) => present(canonical_64(values[row]), out),
            Cells::Bytes(offsets, bytes) => {
                write_bytes(&bytes[index(offsets[row])..index(offsets[row + 1])], out);
            }
            Cells::LargeBytes(offsets, bytes) => {
                write_bytes(&bytes[large(offsets[row])..large(offsets[row + 1])], out);
            }
            Cells::Strings(values) => write_bytes(values.value(row).as_bytes(), out),
            Cells::Binaries(values) => write_bytes(values.value(row), out),
            Cells::List(offsets, items) => {
                write_list(items, index(offsets[row])..index(offsets[row + 1]), out);
            }
            Cells::LargeList(offsets, items) => {
                write_list(items, large(offsets[row])..large(offsets[row + 1]), out);
            }
            Cells::Struct(fields) => {
                out.push(1);
                for field in fields {
                    field.write(row, out);
                }
            }
            Cells::Dictionary(keys, values) => values.write(keys[row], out),
        }
    }
}

fn cells(array: &ArrayRef) -> Result<Cells<'_>, StateError> {
    Ok(match array.data_type() {
        DataType::Null => Cells::Nothing,
        DataType::Boolean => Cells::Boolean(downcast_array(array)),
        DataType::Float16 => Cells::Float16(array.as_primitive::<Float16Type>().values()),
        DataType::Float32 => Cells::Float32(array.as_primitive::<Float32Type>().values()),
        DataType::Float64 => Cells::Float64(array.as_primitive::<Float64Type>().values()),
        DataType::Utf8 => {
            Cells::Bytes(array.as_string::<i32>().offsets(), array.as_string::<i32>().values())
        }
        DataType::Binary => {
            Cells::Bytes(array.as_binary::<i32>().offsets(), array.as_binary::<i32>().values())
        }
        DataType::LargeUtf8 => {
            Cells::LargeBytes(array.as_string::<i64>().offsets(), array.as_string::<i64>().values())
        }
        DataType::LargeBinary => {
            Cells::LargeBytes(array.as_binary::<i64>().offsets(), array.as_binary::<i64>().values())
        }
        DataType::Utf8View => Cells::Strings(array.as_string_view()),
        DataType::BinaryView => Cells::Binaries(array.as_binary_view()),
        DataType::Dictionary(..) => dictionary(array)?,
        DataType::Struct(_) => Cells::Struct(
            array.as_struct().columns().iter().map(Source::new).collect::<Result<_, _>>()?,
        ),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Map(..) => list(array)?,
        _ => fixed(array)?,
    })
}

fn fixed(array: &ArrayRef) -> Result<Cells<'_>, StateError> {
    let data = array.to_data();
    let width = match array.data_type() {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).unwrap_or(0),
        other => other.primitive_width().ok_or_else(|| StateError::Type(other.to_string()))?,
    };
    let bytes = data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width);
    Ok(Cells::Fixed(bytes, width))
}

fn list(array: &ArrayRef) -> Result<Cells<'_>, StateError> {
    Ok(match array.data_type() {
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            Cells::LargeList(list.offsets(), Box::new(Source::new(list.values())?))
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let ends = (0..=list.len()).map(|row| list.value_offset(row)).collect();
            Cells::List(Cow::Owned(ends), Box::new(Source::new(list.values())?))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let columns = map.entries().columns();
            let fields = columns.iter().map(Source::new).collect::<Result<_, _>>()?;
            let entries = Source { nulls: None, cells: Cells::Struct(fields) };
            Cells::List(Cow::Borrowed(map.offsets()), Box::new(entries))
        }
        _ => {
            let list = array.as_list::<i32>();
            Cells::List(Cow::Borrowed(list.offsets()), Box::new(Source::new(list.values())?))
        }
    })
}

fn dictionary(array: &ArrayRef) -> Result<Cells<'_>, StateError> {
    let dictionary = array.as_any_dictionary();
    Ok(if dictionary.values().is_empty() {
        Cells::AllNull
    } else {
        let values = Source::new(dictionary.values())?;
        Cells::Dictionary(dictionary.normalized_keys(), Box::new(values))
    })
}

/// A byte that says that there is a value, and the value.
#[inline]
fn present<const N: usize>(bytes: [u8; N], out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&bytes);
}

#[inline]
fn write_fixed(bytes: &[u8], width: usize, row: usize, out: &mut Vec<u8>) {
    // The widths of most columns get a copy of known length.
    match width {
        8 => present(*bytes[row * 8..].first_chunk::<8>().expect("a whole value"), out),
        4 => present(*bytes[row * 4..].first_chunk::<4>().expect("a whole value"), out),
        16 => present(*bytes[row * 16..].first_chunk::<16>().expect("a whole value"), out),
        _ => {
            out.push(1);
            out.extend_from_slice(&bytes[row * width..][..width]);
        }
    }
}

/// Appends the cell of a string or binary.
#[inline]
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    varint::put(bytes.len() as u64 + 1, out);
    out.extend_from_slice(bytes);
}

fn write_list(items: &Source<'_>, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
    varint::put(range.len() as u64 + 1, out);
    range.for_each(|item| items.write(item, out));
}

#[inline]
pub(super) fn index(offset: i32) -> usize {
    usize::try_from(offset).expect("offsets of Arrow are not negative")
}

#[inline]
fn large(offset: i64) -> usize {
    usize::try_from(offset).expect("offsets of Arrow are not negative")
}

fn canonical_16(bits: u16) -> [u8; 2] {
    match bits & 0x7fff {
        0 => 0,
        0x7c01.. => 0x7e00,
        _ => bits,
    }
    .to_le_bytes()
}

fn canonical_32(value: f32) -> [u8; 4] {
    let bits = value.to_bits();
    match bits & 0x7fff_ffff {
        0 => 0,
        0x7f80_0001.. => 0x7fc0_0000,
        _ => bits,
    }
    .to_le_bytes()
}

fn canonical_64(value: f64) -> [u8; 8] {
    let bits = value.to_bits();
    match bits & 0x7fff_ffff_ffff_ffff {
        0 => 0,
        0x7ff0_0000_0000_0001.. => 0x7ff8_0000_0000_0000,
        _ => bits,
    }
    .to_le_bytes()
}
