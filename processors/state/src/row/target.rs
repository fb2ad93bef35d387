//! A column under construction from cells.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BinaryViewArray, BooleanBufferBuilder, NullBufferBuilder,
    StringViewArray, make_array,
};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::shape::Shape;
use crate::{StateError, varint};

/// A column to which cells are appended.
pub(super) struct Target {
    data_type: DataType,
    nulls: NullBufferBuilder,
    cells: Cells,
}

enum Cells {
    Nothing,
    Boolean(BooleanBufferBuilder),
    Fixed(MutableBuffer, usize),
    Bytes(Vec<i64>, MutableBuffer),
    List(Vec<i64>, Box<Target>),
    Struct(Vec<Target>),
}

/// The type of the values: a dictionary is made at the end, from them.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        other => other,
    }
}

fn cut_short() -> StateError {
    StateError::Damaged("an encoded row ends before its last column".into())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], StateError> {
    let (front, rest) = bytes.split_at_checked(length).ok_or_else(cut_short)?;
    *bytes = rest;
    Ok(front)
}

fn take_length(bytes: &mut &[u8]) -> Result<Option<usize>, StateError> {
    let length = varint::take(bytes).ok_or_else(cut_short)?;
    let length = usize::try_from(length).map_err(|_| cut_short())?;
    Ok(length.checked_sub(1))
}

impl Target {
    pub(super) fn new(data_type: &DataType, rows: usize) -> Result<Self, StateError> {
        let cells = match (Shape::of(data_type)?, plain(data_type)) {
            (Shape::Nothing, _) => Cells::Nothing,
            (Shape::Boolean, _) => Cells::Boolean(BooleanBufferBuilder::new(rows)),
            (Shape::Fixed(width), _) => {
                Cells::Fixed(MutableBuffer::with_capacity(rows * width), width)
            }
            (Shape::Bytes, _) => Cells::Bytes(vec![0], MutableBuffer::new(0)),
            (
                Shape::List(_),
                DataType::List(item)
                | DataType::LargeList(item)
                | DataType::FixedSizeList(item, _)
                | DataType::Map(item, _),
            ) => Cells::List(vec![0], Box::new(Self::new(item.data_type(), rows)?)),
            (Shape::Struct(_), DataType::Struct(fields)) => Cells::Struct(
                fields
                    .iter()
                    .map(|field| Self::new(field.data_type(), rows))
                    .collect::<Result<_, _>>()?,
            ),
            (Shape::List(_) | Shape::Struct(_), other) => {
                return Err(StateError::Type(other.to_string()));
            }
        };
        Ok(Self { data_type: data_type.clone(), nulls: NullBufferBuilder::new(rows), cells })
    }

    /// Takes one cell off the front of `bytes`.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Result<(), StateError> {
        let present = match &mut self.cells {
            Cells::Nothing => true,
            Cells::Boolean(values) => {
                let cell = take(bytes, 1)?[0];
                values.append(cell == 2);
                cell != 0
            }
            Cells::Fixed(values, width) => {
                let present = take(bytes, 1)?[0] != 0;
                if present {
                    values.extend_from_slice(take(bytes, *width)?);
                } else {
                    values.extend_zeros(*width);
                }
                present
            }
            Cells::Bytes(ends, values) => {
                let length = take_length(bytes)?;
                values.extend_from_slice(take(bytes, length.unwrap_or(0))?);
                ends.push(signed(values.len()));
                length.is_some()
            }
            Cells::List(ends, items) => {
                let count = take_length(bytes)?;
                let mut end = *ends.last().expect("starts with one");
                for _ in 0..count.unwrap_or(0) {
                    items.read(bytes)?;
                    end += 1;
                }
                if let (None, DataType::FixedSizeList(_, size)) = (count, &self.data_type) {
                    (0..*size).for_each(|_| items.null());
                }
                ends.push(end);
                count.is_some()
            }
            Cells::Struct(fields) => {
                let present = take(bytes, 1)?[0] != 0;
                for field in fields {
                    if present {
                        field.read(bytes)?;
                    } else {
                        field.null();
                    }
                }
                present
            }
        };
        self.nulls.append(present);
        Ok(())
    }

    /// Appends a null that no cell stands for.
    fn null(&mut self) {
        match &mut self.cells {
            Cells::Nothing => {}
            Cells::Boolean(values) => values.append(false),
            Cells::Fixed(values, width) => values.extend_zeros(*width),
            Cells::Bytes(ends, values) => ends.push(signed(values.len())),
            Cells::List(ends, items) => {
                if let DataType::FixedSizeList(_, size) = self.data_type {
                    (0..size).for_each(|_| items.null());
                }
                ends.push(*ends.last().expect("starts with one"));
            }
            Cells::Struct(fields) => fields.iter_mut().for_each(Self::null),
        }
        self.nulls.append(matches!(self.cells, Cells::Nothing));
    }

    /// The column.
    pub(super) fn finish(self) -> Result<ArrayRef, StateError> {
        self.build().map_err(|e| StateError::Damaged(format!("rows: {e}")))
    }

    fn build(self) -> Result<ArrayRef, ArrowError> {
        let data_type = self.data_type.clone();
        let array = self.build_plain()?;
        if array.data_type() == &data_type {
            return Ok(array);
        }
        arrow::compute::cast(&array, &data_type)
    }

    fn build_plain(mut self) -> Result<ArrayRef, ArrowError> {
        let length = self.nulls.len();
        let nulls = self.nulls.finish();
        let builder = |data_type: DataType| ArrayData::builder(data_type).len(length);
        let data = match (self.cells, plain(&self.data_type).clone()) {
            (Cells::Nothing, _) => builder(DataType::Null),
            (Cells::Boolean(mut values), _) => {
                builder(DataType::Boolean).add_buffer(values.finish().into_inner()).nulls(nulls)
            }
            (Cells::Fixed(values, _), data_type) => {
                builder(data_type).add_buffer(values.into()).nulls(nulls)
            }
            (Cells::Bytes(ends, values), data_type) => {
                let large = match data_type {
                    DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                        DataType::LargeBinary
                    }
                    _ => DataType::LargeUtf8,
                };
                let buffers = vec![Buffer::from_vec(ends), values.into()];
                let data = builder(large).buffers(buffers).nulls(nulls).build()?;
                return narrow(&make_array(data), &data_type);
            }
            (Cells::List(ends, items), data_type) => {
                let items = items.build()?;
                let data = builder(data_type.clone()).nulls(nulls);
                let data = match data_type {
                    DataType::LargeList(_) => data.add_buffer(Buffer::from_vec(ends)),
                    DataType::FixedSizeList(..) => data,
                    _ => data.add_buffer(Buffer::from_vec(short(&ends)?)),
                };
                data.add_child_data(items.to_data())
            }
            (Cells::Struct(fields), data_type) => {
                let fields = fields.into_iter().map(Self::build).collect::<Result<Vec<_>, _>>()?;
                let children = fields.iter().map(Array::to_data).collect();
                builder(data_type).nulls(nulls).child_data(children)
            }
        };
        Ok(make_array(data.build()?))
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("memory is smaller")
}

fn short(ends: &[i64]) -> Result<Vec<i32>, ArrowError> {
    ends.iter()
        .map(|end| i32::try_from(*end).map_err(|_| ArrowError::OffsetOverflowError(ends.len())))
        .collect()
}

/// Strings and binaries in the layout asked for.
fn narrow(large: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        DataType::Utf8View => Arc::new(StringViewArray::from(large.as_string::<i64>())),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(large.as_binary::<i64>())),
        DataType::LargeUtf8 | DataType::LargeBinary => Arc::clone(large),
        other => arrow::compute::cast(large, other)?,
    })
}
