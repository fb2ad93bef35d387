//! `MIN` and `MAX` of numbers and instants.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowNativeTypeOp, ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal128Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::cell::Cell;
use super::function::{Fixed, Slots};
use super::picked::Picked;
use crate::JobError;

/// The least or greatest value that is not NULL; of floats in their total order, in which NaN is
/// greatest, so that the result does not depend on the order of rows.
///
/// State: 1 if there is a value, then the value.
struct Extreme<T> {
    greatest: bool,
    output: DataType,
    of: PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType> Extreme<T>
where
    T::Native: Cell,
{
    #[inline]
    fn put(&self, slot: &mut [u8], value: T::Native) {
        let wins = slot[0] == 0 || {
            let held = T::Native::read(&slot[1..]);
            if self.greatest { value.is_gt(held) } else { value.is_lt(held) }
        };
        if wins {
            slot[0] = 1;
            value.write(&mut slot[1..]);
        }
    }
}

impl<T: ArrowPrimitiveType> Fixed for Extreme<T>
where
    T::Native: Cell,
{
    fn width(&self) -> usize {
        1 + T::Native::SIZE
    }

    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, _retract: bool, slots: &mut Slots<'_>) {
        let array = args[0].as_primitive::<T>();
        let values = array.values();
        picked.each(array.nulls(), |row, group| self.put(slots.of(group), values[row]));
    }

    fn merge(&self, into: &mut [u8], from: &[u8]) {
        if from[0] != 0 {
            self.put(into, T::Native::read(&from[1..]));
        }
    }

    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError> {
        let value = |state: &[u8]| (state[0] != 0).then(|| T::Native::read(&state[1..]));
        let values: PrimitiveArray<T> = states.map(value).collect();
        Ok(Arc::new(values.with_data_type(self.output.clone())))
    }
}

/// `MIN` or `MAX` over a type of fixed size; `None` for any other type.
pub(crate) fn extreme(of: &DataType, greatest: bool) -> Option<Box<dyn Fixed>> {
    macro_rules! over {
        ($type:ty) => {
            Box::new(Extreme::<$type> { greatest, output: of.clone(), of: PhantomData })
        };
    }
    Some(match of {
        DataType::Int8 => over!(Int8Type),
        DataType::Int16 => over!(Int16Type),
        DataType::Int32 => over!(Int32Type),
        DataType::Int64 => over!(Int64Type),
        DataType::UInt8 => over!(UInt8Type),
        DataType::UInt16 => over!(UInt16Type),
        DataType::UInt32 => over!(UInt32Type),
        DataType::UInt64 => over!(UInt64Type),
        DataType::Float32 => over!(Float32Type),
        DataType::Float64 => over!(Float64Type),
        DataType::Decimal128(..) => over!(Decimal128Type),
        DataType::Date32 => over!(Date32Type),
        DataType::Date64 => over!(Date64Type),
        DataType::Time32(TimeUnit::Second) => over!(Time32SecondType),
        DataType::Time32(_) => over!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => over!(Time64MicrosecondType),
        DataType::Time64(_) => over!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => over!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => over!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => over!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => over!(TimestampNanosecondType),
        _ => return None,
    })
}
