//! How the cells of a type are laid out: all that is needed to find where a row ends.

use arrow::datatypes::DataType;

use crate::{StateError, varint};

/// The layout of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Nothing,
    Boolean,
    Fixed(usize),
    Bytes,
    List(Box<Shape>),
    Struct(Vec<Shape>),
}

impl Shape {
    pub(super) fn of(data_type: &DataType) -> Result<Self, StateError> {
        Ok(match data_type {
            DataType::Null => Self::Nothing,
            DataType::Boolean => Self::Boolean,
            DataType::FixedSizeBinary(width) => Self::Fixed(usize::try_from(*width).unwrap_or(0)),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View => Self::Bytes,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => Self::List(Box::new(Self::of(item.data_type())?)),
            DataType::Struct(fields) => Self::Struct(
                fields.iter().map(|field| Self::of(field.data_type())).collect::<Result<_, _>>()?,
            ),
            DataType::Dictionary(_, values) => Self::of(values)?,
            other => Self::Fixed(
                other.primitive_width().ok_or_else(|| StateError::Type(other.to_string()))?,
            ),
        })
    }

    /// Moves past one cell; `None` if the bytes end before it does.
    pub(super) fn skip(&self, bytes: &mut &[u8]) -> Option<()> {
        match self {
            Self::Nothing => {}
            Self::Boolean => *bytes = bytes.get(1..)?,
            Self::Fixed(width) => {
                let present = *bytes.first()? != 0;
                *bytes = bytes.get(1 + if present { *width } else { 0 }..)?;
            }
            Self::Bytes => {
                let length = varint::take(bytes)?.saturating_sub(1);
                *bytes = bytes.get(usize::try_from(length).ok()?..)?;
            }
            Self::List(item) => {
                for _ in 1..varint::take(bytes)? {
                    item.skip(bytes)?;
                }
            }
            Self::Struct(fields) => {
                let present = *bytes.first()? != 0;
                *bytes = &bytes[1..];
                if present {
                    fields.iter().try_for_each(|field| field.skip(bytes))?;
                }
            }
        }
        Some(())
    }
}
