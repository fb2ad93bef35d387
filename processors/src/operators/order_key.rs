//! An order as bytes: rows come in the order in which their keys compare.
//!
//! # Format
//!
//! For each column: one byte (0 NULL that comes first, 1 a value, 2 NULL that comes last), then the
//! value; descending columns have the bits of the value inverted.
//!
//! - integers, dates, times, timestamps, durations: 8 bytes big-endian, the sign bit inverted;
//! - unsigned 64-bit integers: 8 bytes big-endian; decimals: 16 bytes as integers; booleans: 1
//!   byte;
//! - floats: 8 bytes; negative ones with all bits inverted, others with the sign bit inverted;
//!   there is one zero and one NaN, greater than all;
//! - strings and binaries: each byte 0 followed by 255, and 0 0 at the end.
//!
//! The keys are part of state, so this format must not change.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Decimal128Array, Float64Array,
    Int64Array, RecordBatch, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int64Type, SchemaRef, TimeUnit, UInt64Type,
};

use millrace_plan::SortColumn;
use millrace_state::Rows;

use crate::JobError;

/// Encodes the order of rows, a batch at a time.
pub(crate) struct OrderKeys {
    order: Vec<(SortColumn, DataType)>,
    scratch: Vec<u8>,
    rows: Rows,
}

impl OrderKeys {
    pub(crate) fn new(schema: &SchemaRef, order: &[SortColumn]) -> Result<Self, JobError> {
        let mut columns = Vec::new();
        for column in order {
            let field = schema.field(column.column);
            let Some(form) = form(field.data_type()) else {
                let (name, found) = (field.name(), field.data_type());
                let message = format!("ORDER BY `{name}`: {found} has no order");
                return Err(JobError::Unsupported(message));
            };
            columns.push((*column, form));
        }
        Ok(Self { order: columns, scratch: Vec::new(), rows: Rows::new() })
    }

    /// Encodes the rows of a batch, in place of those of the last one.
    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Result<(), JobError> {
        let mut columns = Vec::with_capacity(self.order.len());
        for (sort, form) in &self.order {
            columns.push((*sort, Values::new(&cast(batch.column(sort.column), form)?)));
        }
        self.rows.clear();
        for row in 0..batch.num_rows() {
            self.scratch.clear();
            for (sort, values) in &columns {
                values.write(row, *sort, &mut self.scratch);
            }
            self.rows.push(&self.scratch);
        }
        Ok(())
    }

    /// The key of a row of the batch.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        self.rows.get(row)
    }
}

/// The type by whose values a type is ordered.
fn form(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean => DataType::Boolean,
        DataType::UInt64 => DataType::UInt64,
        DataType::Decimal128(..) => data_type.clone(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => DataType::BinaryView,
        DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_)
        | DataType::Date32
        | DataType::Date64 => DataType::Int64,
        other if other.is_integer() => DataType::Int64,
        DataType::Dictionary(_, values) => form(values)?,
        _ => return None,
    })
}

/// The values of a column, by how they are written.
enum Values {
    Boolean(BooleanArray),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Decimal(Decimal128Array),
    Bytes(BinaryViewArray),
}

impl Values {
    fn new(array: &ArrayRef) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int64 => Self::Signed(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal128(..) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>().clone())
            }
            DataType::BinaryView => Self::Bytes(array.as_binary_view().clone()),
            other => unreachable!("{other} is not a form of an order"),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(values) => values.is_null(row),
            Self::Signed(values) => values.is_null(row),
            Self::Unsigned(values) => values.is_null(row),
            Self::Float(values) => values.is_null(row),
            Self::Decimal(values) => values.is_null(row),
            Self::Bytes(values) => values.is_null(row),
        }
    }

    #[inline]
    fn write(&self, row: usize, sort: SortColumn, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.push(if sort.nulls_first { 0 } else { 2 });
            return;
        }
        out.push(1);
        let start = out.len();
        match self {
            Self::Boolean(values) => out.push(u8::from(values.value(row))),
            Self::Signed(values) => {
                let bits = values.value(row).cast_unsigned() ^ (1 << 63);
                out.extend_from_slice(&bits.to_be_bytes());
            }
            Self::Unsigned(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Self::Float(values) => {
                out.extend_from_slice(&float_bits(values.value(row)).to_be_bytes());
            }
            Self::Decimal(values) => {
                let bits = values.value(row).cast_unsigned() ^ (1 << 127);
                out.extend_from_slice(&bits.to_be_bytes());
            }
            Self::Bytes(values) => {
                for &byte in values.value(row) {
                    out.push(byte);
                    if byte == 0 {
                        out.push(255);
                    }
                }
                out.extend_from_slice(&[0, 0]);
            }
        }
        if sort.descending {
            for byte in &mut out[start..] {
                *byte = !*byte;
            }
        }
    }
}

fn float_bits(value: f64) -> u64 {
    let value = if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::sync::Arc;

    use arrow::array::{StringArray, make_comparator};
    use arrow::compute::SortOptions;
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn compare(columns: &[ArrayRef], options: &[(bool, bool)]) {
        let fields = columns.iter().map(|column| Field::new("c", column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let order: Vec<SortColumn> = (0..columns.len())
            .zip(options)
            .map(|(column, (descending, nulls_first))| SortColumn {
                column,
                descending: *descending,
                nulls_first: *nulls_first,
            })
            .collect();
        let mut keys = OrderKeys::new(&schema, &order).unwrap();
        let batch = RecordBatch::try_new(schema, columns.to_vec()).unwrap();
        keys.encode(&batch).unwrap();
        let comparators: Vec<_> = columns
            .iter()
            .zip(options)
            .map(|(column, (descending, nulls_first))| {
                let options = SortOptions { descending: *descending, nulls_first: *nulls_first };
                make_comparator(column, column, options).unwrap()
            })
            .collect();
        for a in 0..batch.num_rows() {
            for b in 0..batch.num_rows() {
                let wanted = comparators
                    .iter()
                    .map(|compare| compare(a, b))
                    .find(|order| *order != Ordering::Equal)
                    .unwrap_or(Ordering::Equal);
                assert_eq!(keys.get(a).cmp(keys.get(b)), wanted, "{a} {b} of {batch:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_compare_as_columns_do(
            rows in proptest::collection::vec(
                (
                    proptest::option::of(prop_oneof![-3..3_i64, any::<i64>()]),
                    proptest::option::of(prop_oneof![-2.0..2.0_f64, Just(f64::NAN), Just(1.0)]),
                    proptest::option::of("[a\u{0}\u{1}\u{e9}]{0,3}"),
                    proptest::option::of(any::<bool>()),
                    proptest::option::of(-200..200_i128),
                    proptest::option::of(any::<u64>()),
                ),
                1..12,
            ),
            options in proptest::collection::vec(any::<(bool, bool)>(), 6),
            rotate in 0..6_usize,
        ) {
            let strings: StringArray = rows.iter().map(|row| row.2.clone()).collect();
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
                Arc::new(strings),
                Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>()),
                Arc::new(rows.iter().map(|row| row.4).collect::<Decimal128Array>()),
                Arc::new(rows.iter().map(|row| row.5).collect::<UInt64Array>()),
            ];
            columns.rotate_left(rotate);
            compare(&columns, &options);
        }
    }

    #[test]
    fn the_format_is_what_it_was() {
        let schema =
            crate::operators::testing::schema(&[("n", DataType::Int64), ("s", DataType::Utf8)]);
        let order = [
            SortColumn { column: 0, descending: true, nulls_first: false },
            SortColumn { column: 1, descending: false, nulls_first: true },
        ];
        let mut keys = OrderKeys::new(&schema, &order).unwrap();
        let numbers = crate::operators::testing::longs([Some(1), None]);
        let strings = crate::operators::testing::texts([Some("a\0"), None]);
        keys.encode(&RecordBatch::try_new(schema, vec![numbers, strings]).unwrap()).unwrap();
        let first = [1, 127, 255, 255, 255, 255, 255, 255, 254, 1, b'a', 0, 255, 0, 0];
        assert_eq!(keys.get(0), first);
        assert_eq!(keys.get(1), [2, 0]);
    }
}
