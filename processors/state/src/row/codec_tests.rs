//! Rows come back as they were, are equal as bytes exactly when they are equal, and never change.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array,
    Int32Array, Int64Array, ListArray, MapArray, NullArray, StringArray, StructArray, make_array,
};
use arrow::buffer::{MutableBuffer, NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, IntervalUnit, TimeUnit};
use proptest::prelude::*;

use super::{RowCodec, Rows};

/// Small numbers from a seed, so that equal rows are frequent.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }

    fn nulls(&mut self, rows: usize) -> Option<NullBuffer> {
        let some = self.below(3) > 0;
        some.then(|| (0..rows).map(|_| self.below(4) > 0).collect())
    }

    fn lengths(&mut self, rows: usize) -> Vec<usize> {
        (0..rows).map(|_| usize::try_from(self.below(3)).unwrap()).collect()
    }

    fn array(&mut self, data_type: &DataType, rows: usize) -> ArrayRef {
        match data_type {
            DataType::Null => Arc::new(NullArray::new(rows)),
            DataType::Boolean => {
                let values = (0..rows).map(|_| self.below(2) > 0).collect();
                Arc::new(BooleanArray::new(values, self.nulls(rows)))
            }
            DataType::List(item) => {
                let offsets = OffsetBuffer::from_lengths(self.lengths(rows));
                let items = self.array(item.data_type(), last(&offsets));
                Arc::new(ListArray::new(Arc::clone(item), offsets, items, self.nulls(rows)))
            }
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let list = self.array(&DataType::List(Arc::clone(item)), rows);
                if matches!(data_type, DataType::LargeList(_)) {
                    return cast(&list, data_type).unwrap();
                }
                let items = self.array(item.data_type(), rows * 2);
                let data = ArrayData::builder(data_type.clone()).len(rows).nulls(self.nulls(rows));
                make_array(data.add_child_data(items.to_data()).build().unwrap())
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!() };
                let offsets = OffsetBuffer::from_lengths(self.lengths(rows));
                let items = last(&offsets);
                let keys = (0..items).map(|_| Some(self.below(3).to_string()));
                let keys: ArrayRef = Arc::new(keys.collect::<StringArray>());
                let values = self.array(fields[1].data_type(), items);
                let structs = StructArray::new(fields.clone(), vec![keys, values], None);
                let nulls = self.nulls(rows);
                Arc::new(MapArray::new(Arc::clone(entries), offsets, structs, nulls, false))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|f| self.array(f.data_type(), rows)).collect();
                Arc::new(StructArray::new(fields.clone(), columns, self.nulls(rows)))
            }
            DataType::Utf8 => {
                let texts = ["", "a", "ab", "a longer text than fits in a view"];
                let values = (0..rows).map(|_| usize::try_from(self.below(5)).unwrap());
                let values: Vec<_> = values.collect();
                Arc::new(values.iter().map(|n| texts.get(*n)).collect::<StringArray>())
            }
            fixed if fixed.primitive_width().is_some() => self.fixed(fixed, rows),
            DataType::FixedSizeBinary(_) => self.fixed(data_type, rows),
            other => cast(&self.array(&DataType::Utf8, rows), other).unwrap(),
        }
    }

    fn fixed(&mut self, data_type: &DataType, rows: usize) -> ArrayRef {
        let width = match data_type {
            DataType::FixedSizeBinary(width) => usize::try_from(*width).unwrap(),
            other => other.primitive_width().unwrap(),
        };
        let mut bytes = MutableBuffer::new(0);
        for _ in 0..rows {
            // Never the bits of a NaN or of a negative zero: those are tested apart.
            bytes.extend_from_slice(&vec![u8::try_from(self.below(3) * 30).unwrap(); width]);
        }
        let data = ArrayData::builder(data_type.clone()).len(rows).nulls(self.nulls(rows));
        make_array(data.add_buffer(bytes.into()).build().unwrap())
    }
}

fn last(offsets: &OffsetBuffer<i32>) -> usize {
    usize::try_from(*offsets.last().unwrap()).unwrap()
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn types() -> Vec<DataType> {
    let item = |data_type| Arc::new(field("item", data_type));
    let pair = Fields::from(vec![field("a", DataType::Int32), field("b", DataType::Utf8)]);
    let entry = vec![Field::new("keys", DataType::Utf8, false), field("values", DataType::Int64)];
    let entries = Field::new("entries", DataType::Struct(entry.into()), false);
    vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Date32,
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Duration(TimeUnit::Second),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Decimal128(20, 3),
        DataType::Decimal256(50, 3),
        DataType::FixedSizeBinary(5),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::Struct(pair.clone()),
        DataType::List(item(DataType::Struct(pair))),
        DataType::LargeList(item(DataType::Utf8View)),
        DataType::FixedSizeList(item(DataType::Boolean), 2),
        DataType::Map(Arc::new(entries), false),
        DataType::List(item(DataType::Dictionary(
            Box::new(DataType::Int8),
            Box::new(DataType::Utf8),
        ))),
    ]
}

fn encode(codec: &RowCodec, columns: &[ArrayRef]) -> Rows {
    let mut rows = Rows::new();
    codec.encode(columns, &mut rows).unwrap();
    rows
}

proptest! {
    #[test]
    fn rows_come_back_and_are_equal_exactly_when_their_bytes_are(
        seed: u64, rows in 0_usize..40, cut in 0_usize..4,
        picked in prop::collection::vec(0..types().len(), 1..5),
    ) {
        let all = types();
        let types: Vec<_> = picked.iter().map(|i| all[*i].clone()).collect();
        let codec = RowCodec::new(&types).unwrap();
        let mut dice = Dice(seed);
        let columns: Vec<_> =
            types.iter().map(|t| dice.array(t, rows + cut).slice(cut, rows)).collect();
        let encoded = encode(&codec, &columns);
        prop_assert_eq!(encoded.len(), rows);

        let decoded = codec.decode(encoded.iter()).unwrap();
        for (column, back) in columns.iter().zip(&decoded) {
            prop_assert_eq!(column, back);
        }
        prop_assert_eq!(&encode(&codec, &decoded), &encoded);

        let all: Vec<u8> = encoded.iter().flatten().copied().collect();
        if !all.is_empty() {
            prop_assert_eq!(codec.length_of_first(&all), encoded.get(0).len());
            if !encoded.get(0).is_empty() {
                prop_assert!(codec.split(&all).eq(encoded.iter()));
            }
        }
        for row in 0..rows {
            let mut one = Vec::new();
            codec.encode_one(&columns, row, &mut one).unwrap();
            prop_assert_eq!(one.as_slice(), encoded.get(row));
            let equal = decoded.iter().all(|c| c.slice(row, 1) == c.slice(0, 1));
            prop_assert_eq!(equal, encoded.get(row) == encoded.get(0));
        }
    }

    #[test]
    fn damaged_rows_are_refused_and_never_read_past_their_end(
        bytes: Vec<u8>, picked in prop::collection::vec(0..types().len(), 1..4),
    ) {
        let all = types();
        let types: Vec<_> = picked.iter().map(|i| all[*i].clone()).collect();
        let codec = RowCodec::new(&types).unwrap();
        prop_assert!(codec.length_of_first(&bytes) <= bytes.len());
        if let Ok(columns) = codec.decode([bytes.as_slice()]) {
            prop_assert!(columns.iter().all(|column| column.len() == 1));
        }
    }
}

#[test]
fn the_format_is_the_one_of_version_1() {
    let list: ListArray =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(5), None]), None]);
    let pair = StructArray::from(vec![(
        Arc::new(field("a", DataType::Boolean)),
        Arc::new(BooleanArray::from(vec![Some(true), None])) as ArrayRef,
    )]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(false), None])),
        Arc::new(Int64Array::from(vec![Some(-2), None])),
        Arc::new(Float64Array::from(vec![Some(1.5), None])),
        Arc::new(StringArray::from(vec![Some("héllo"), None])),
        Arc::new(Decimal128Array::from(vec![Some(1), None])),
        Arc::new(list),
        Arc::new(pair),
    ];
    let types: Vec<_> = columns.iter().map(|c| c.data_type().clone()).collect();
    let rows = encode(&RowCodec::new(&types).unwrap(), &columns);
    let expected: Vec<u8> = [
        &[1][..],
        &[1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f],
        &[7, b'h', 0xc3, 0xa9, b'l', b'l', b'o'],
        &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[3, 1, 5, 0, 0, 0, 0],
        &[1, 2],
    ]
    .concat();
    assert_eq!(rows.get(0), expected);
    assert_eq!(rows.get(1), [0, 0, 0, 0, 0, 0, 1, 0]);
}

#[test]
fn zero_has_no_sign_and_there_is_one_nan() {
    let nan = f64::from_bits(0xfff8_0000_0000_0001);
    let column: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, nan]));
    let rows = encode(&RowCodec::new(&[DataType::Float64]).unwrap(), &[column]);
    assert_eq!((rows.get(0), rows.get(2)), (rows.get(1), rows.get(3)));
    let column: ArrayRef = Arc::new(Float32Array::from(vec![0.0, -0.0, f32::NAN, -f32::NAN]));
    for half in [false, true] {
        let data_type = if half { DataType::Float16 } else { DataType::Float32 };
        let column = cast(&column, &data_type).unwrap();
        let rows = encode(&RowCodec::new(&[data_type]).unwrap(), &[column]);
        assert_eq!((rows.get(0), rows.get(2)), (rows.get(1), rows.get(3)));
    }
}

#[test]
fn layouts_of_the_same_values_have_the_same_bytes_and_other_types_are_refused() {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let codec = RowCodec::new(&[DataType::Utf8]).unwrap();
    let view = cast(&text, &DataType::Utf8View).unwrap();
    assert_eq!(encode(&codec, &[text]), encode(&codec, &[view]));
    let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    assert!(codec.encode(&[number], &mut Rows::new()).is_err());
    assert!(codec.encode(&[], &mut Rows::new()).is_err());
}

#[test]
fn a_row_of_no_columns_is_empty() {
    let codec = RowCodec::new(&[]).unwrap();
    let mut key = Vec::new();
    codec.encode_one(&[], 0, &mut key).unwrap();
    assert!(key.is_empty() && codec.length_of_first(&key) == 0);
}
