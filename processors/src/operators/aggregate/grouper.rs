//! Numbers the distinct values of some columns of a batch.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{
    DataType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use hashbrown::HashTable;

use millrace_state::{RowCodec, Rows, hash};

use super::picked::row_number;
use crate::JobError;

/// Numbers the rows of a batch by value: equal rows have equal numbers, in order of appearance.
pub(crate) struct Grouper {
    codec: RowCodec,
    /// Whether the only column is an integer, which is then looked up as itself.
    integer: bool,
    encoded: HashTable<(u64, u32)>,
    integers: HashTable<(i64, u32)>,
    ids: Vec<u32>,
    firsts: Vec<u32>,
    rows: Rows,
    keys: Rows,
}

impl Grouper {
    pub(crate) fn new(types: &[DataType]) -> Result<Self, JobError> {
        let integer = matches!(
            types,
            [DataType::Int64
                | DataType::UInt64
                | DataType::Int32
                | DataType::Date32
                | DataType::Timestamp(TimeUnit::Microsecond, _)]
        );
        Ok(Self {
            codec: RowCodec::new(types)?,
            integer,
            encoded: HashTable::new(),
            integers: HashTable::new(),
            ids: Vec::new(),
            firsts: Vec::new(),
            rows: Rows::new(),
            keys: Rows::new(),
        })
    }

    /// Numbers `count` rows, in place of those before.
    pub(crate) fn group(&mut self, columns: &[ArrayRef], count: usize) -> Result<(), JobError> {
        self.ids.clear();
        self.firsts.clear();
        self.keys.clear();
        if columns.is_empty() {
            self.ids.resize(count, 0);
            if count > 0 {
                self.firsts.push(0);
                self.keys.push(b"");
            }
            return Ok(());
        }
        if self.integer {
            self.group_integers(&columns[0]);
            let firsts = UInt32Array::from(self.firsts.clone());
            let values = take(&columns[0], &firsts, None)?;
            self.codec.encode(&[values], &mut self.keys)?;
        } else {
            self.group_encoded(columns, count)?;
        }
        Ok(())
    }

    fn group_integers(&mut self, column: &ArrayRef) {
        match column.data_type() {
            DataType::Int64 => {
                let array = column.as_primitive::<Int64Type>();
                self.number(array.values().iter().copied(), array);
            }
            DataType::UInt64 => {
                let array = column.as_primitive::<UInt64Type>();
                self.number(array.values().iter().map(|value| value.cast_signed()), array);
            }
            DataType::Int32 => {
                let array = column.as_primitive::<Int32Type>();
                self.number(array.values().iter().map(|value| i64::from(*value)), array);
            }
            DataType::Date32 => {
                let array = column.as_primitive::<Date32Type>();
                self.number(array.values().iter().map(|value| i64::from(*value)), array);
            }
            _ => {
                let array = column.as_primitive::<TimestampMicrosecondType>();
                self.number(array.values().iter().copied(), array);
            }
        }
    }

    fn number(&mut self, values: impl Iterator<Item = i64>, array: &dyn Array) {
        let Self { integers, ids, firsts, .. } = self;
        integers.clear();
        let nulls = array.nulls();
        let mut null = None;
        for (row, value) in values.enumerate() {
            let next = row_number(firsts.len());
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                ids.push(*null.get_or_insert_with(|| {
                    firsts.push(row_number(row));
                    next
                }));
                continue;
            }
            let entry = integers.entry(
                spread(value.cast_unsigned()),
                |(known, _)| *known == value,
                |(known, _)| spread(known.cast_unsigned()),
            );
            let (_, id) = *entry
                .or_insert_with(|| {
                    firsts.push(row_number(row));
                    (value, next)
                })
                .get();
            ids.push(id);
        }
    }

    fn group_encoded(&mut self, columns: &[ArrayRef], count: usize) -> Result<(), JobError> {
        let Self { codec, encoded, ids, firsts, rows, keys, .. } = self;
        rows.clear();
        encoded.clear();
        codec.encode(columns, rows)?;
        for row in 0..count {
            let bytes = rows.get(row);
            let next = row_number(firsts.len());
            let hash = hash(bytes);
            let entry = encoded.entry(
                hash,
                |(known, id)| *known == hash && keys.get(*id as usize) == bytes,
                |(known, _)| *known,
            );
            let (_, id) = *entry.or_insert((hash, next)).get();
            if id == next {
                firsts.push(row_number(row));
                keys.push(bytes);
            }
            ids.push(id);
        }
        Ok(())
    }

    /// The number of each row.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The first row of each number.
    pub(crate) fn firsts(&self) -> &[u32] {
        &self.firsts
    }

    /// How many numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.firsts.len()
    }

    /// The encoded value of number `id`.
    pub(crate) fn key(&self, id: usize) -> &[u8] {
        self.keys.get(id)
    }

    pub(crate) fn codec(&self) -> &RowCodec {
        &self.codec
    }
}

/// A hash of a number that is good enough for a table that lives for one batch.
#[inline]
pub(crate) fn spread(value: u64) -> u64 {
    let product = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}
