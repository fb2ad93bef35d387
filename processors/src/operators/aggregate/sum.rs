//! `SUM`.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowNativeTypeOp, ArrowPrimitiveType, DataType};

use super::cell::{Cell, add};
use super::function::{Fixed, Slots};
use super::picked::Picked;
use crate::JobError;

/// The sum of what is not NULL, which wraps around on overflow, as `DataFusion`'s does.
/// State: the sum (8 or 16 bytes), then how many values are in it (8 bytes).
pub(crate) struct Sum<T> {
    output: DataType,
    of: PhantomData<fn() -> T>,
}

impl<T> Sum<T> {
    pub(crate) fn new(output: DataType) -> Self {
        Self { output, of: PhantomData }
    }
}

impl<T: ArrowPrimitiveType> Fixed for Sum<T>
where
    T::Native: Cell,
{
    fn width(&self) -> usize {
        T::Native::SIZE + 8
    }

    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, retract: bool, slots: &mut Slots<'_>) {
        let array = args[0].as_primitive::<T>();
        let values = array.values();
        if retract {
            picked.each(array.nulls(), |row, group| {
                let slot = slots.of(group);
                T::Native::read(slot).sub_wrapping(values[row]).write(slot);
                add(&mut slot[T::Native::SIZE..], -1);
            });
        } else {
            picked.each(array.nulls(), |row, group| {
                let slot = slots.of(group);
                T::Native::read(slot).add_wrapping(values[row]).write(slot);
                add(&mut slot[T::Native::SIZE..], 1);
            });
        }
    }

    fn merge(&self, into: &mut [u8], from: &[u8]) {
        T::Native::read(into).add_wrapping(T::Native::read(from)).write(into);
        add(&mut into[T::Native::SIZE..], i64::read(&from[T::Native::SIZE..]));
    }

    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError> {
        let sum = |state: &[u8]| {
            (i64::read(&state[T::Native::SIZE..]) != 0).then(|| T::Native::read(state))
        };
        let sums: PrimitiveArray<T> = states.map(sum).collect();
        Ok(Arc::new(sums.with_data_type(self.output.clone())))
    }
}
