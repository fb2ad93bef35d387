//! Columns to rows of bytes and back.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::rows::Rows;
use super::shape::Shape;
use super::source::{Cells, Source, index, write_bytes};
use super::target::Target;
use crate::StateError;

/// Version of the format in which rows are encoded; state files carry it.
pub const ROW_FORMAT: u32 = 1;

/// Encodes rows of given types in a format that does not change (see the top of `row/mod.rs`).
#[derive(Debug, Clone)]
pub struct RowCodec {
    types: Vec<DataType>,
    shapes: Vec<Shape>,
}

impl RowCodec {
    /// Of columns of these types.
    ///
    /// # Errors
    /// [`StateError::Type`] if one of them has no encoding (unions, run-ends, list views).
    pub fn new(types: &[DataType]) -> Result<Self, StateError> {
        let shapes = types.iter().map(Shape::of).collect::<Result<_, _>>()?;
        Ok(Self { types: types.to_vec(), shapes })
    }

    /// The types of the columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Appends one entry for each row of the columns, none if there are no columns. Rows are equal
    /// exactly when their bytes are.
    pub fn encode(&self, columns: &[ArrayRef], out: &mut Rows) -> Result<(), StateError> {
        let sources = self.sources(columns)?;
        let rows = columns.first().map_or(0, |column| column.len());
        out.ends.reserve(rows);
        match sources.as_slice() {
            [Source { nulls: None, cells: Cells::Fixed(bytes, 8) }] => {
                out.bytes.reserve(rows * 9);
                for value in bytes.as_chunks::<8>().0 {
                    let mut cell = [1; 9];
                    cell[1..].copy_from_slice(value);
                    out.bytes.extend_from_slice(&cell);
                    out.ends.push(out.bytes.len());
                }
            }
            [Source { nulls: None, cells: Cells::Bytes(offsets, bytes) }] => {
                let total = index(offsets[rows]) - index(offsets[0]);
                out.bytes.reserve(total + rows * 2);
                for bounds in offsets.windows(2) {
                    write_bytes(&bytes[index(bounds[0])..index(bounds[1])], &mut out.bytes);
                    out.ends.push(out.bytes.len());
                }
            }
            _ => {
                out.bytes.reserve(rows * sources.len() * 9);
                for row in 0..rows {
                    for source in &sources {
                        source.write(row, &mut out.bytes);
                    }
                    out.ends.push(out.bytes.len());
                }
            }
        }
        Ok(())
    }

    /// Appends the bytes of one row. Prefer [`Self::encode`] where there are many.
    pub fn encode_one(
        &self,
        columns: &[ArrayRef],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StateError> {
        self.sources(columns)?.iter().for_each(|source| source.write(row, out));
        Ok(())
    }

    /// The columns of encoded rows; bytes after the end of a row are not looked at.
    pub fn decode<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>, StateError> {
        let rows = rows.into_iter();
        let expected = rows.size_hint().0;
        let mut targets = self
            .types
            .iter()
            .map(|data_type| Target::new(data_type, expected))
            .collect::<Result<Vec<_>, _>>()?;
        for mut row in rows {
            for target in &mut targets {
                target.read(&mut row)?;
            }
        }
        targets.into_iter().map(Target::finish).collect()
    }

    /// How long the first row of `bytes` is; all of them if they end before it does.
    pub fn length_of_first(&self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        match self.shapes.iter().try_for_each(|shape| shape.skip(&mut rest)) {
            Some(()) => bytes.len() - rest.len(),
            None => bytes.len(),
        }
    }

    /// The rows that stand back to back in `bytes`.
    pub fn split<'a>(&'a self, mut bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || {
            if bytes.is_empty() {
                return None;
            }
            // A row of no columns takes no bytes: then all of them are one.
            let length = self.length_of_first(bytes);
            let (row, rest) = bytes.split_at(if length == 0 { bytes.len() } else { length });
            bytes = rest;
            Some(row)
        })
    }

    fn sources<'a>(&self, columns: &'a [ArrayRef]) -> Result<Vec<Source<'a>>, StateError> {
        if columns.len() != self.types.len() {
            let (given, expected) = (columns.len(), self.types.len());
            return Err(StateError::Damaged(format!("{given} columns, where {expected} belong")));
        }
        for (column, (data_type, shape)) in columns.iter().zip(self.types.iter().zip(&self.shapes))
        {
            let given = column.data_type();
            // Layouts of the same values (a view, a dictionary) have the same bytes.
            let same = given == data_type || Shape::of(given)? == *shape && is_layout(given);
            if !same {
                return Err(StateError::Damaged(format!("a {given}, where {data_type} belongs")));
            }
        }
        columns.iter().map(Source::new).collect()
    }
}

fn is_layout(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Dictionary(..)
            | DataType::Struct(_)
            | DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::Map(..)
    )
}
