//! `AVG`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Float64Type, Int64Type};
use datafusion::common::exec_datafusion_err;

use super::cell::Cell;
use super::function::{Fixed, Slots};
use super::picked::Picked;
use super::sum::Sum;
use crate::JobError;

/// The mean of what is not NULL. State: as of `SUM` over the same type.
pub(crate) struct Average {
    sum: Box<dyn Fixed>,
    of: Mean,
}

enum Mean {
    Float,
    /// Cut off towards zero, as in Flink.
    Integer,
    Decimal {
        /// What a sum is multiplied by to have the scale of the result.
        factor: i128,
        precision: u8,
        scale: i8,
    },
}

impl Average {
    /// Of arguments of type `input`: the result has the type `output`.
    pub(crate) fn new(input: &DataType, output: &DataType) -> Option<Self> {
        let (sum, of): (Box<dyn Fixed>, _) = match (input, output) {
            (DataType::Float64, _) => {
                (Box::new(Sum::<Float64Type>::new(DataType::Float64)), Mean::Float)
            }
            (DataType::Int64, _) => {
                (Box::new(Sum::<Int64Type>::new(DataType::Int64)), Mean::Integer)
            }
            (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) => {
                let digits = u32::try_from(scale.checked_sub(*from)?).ok()?;
                let factor = 10_i128.checked_pow(digits)?;
                let (precision, scale) = (*precision, *scale);
                let mean = Mean::Decimal { factor, precision, scale };
                (Box::new(Sum::<Decimal128Type>::new(input.clone())), mean)
            }
            _ => return None,
        };
        Some(Self { sum, of })
    }

    fn decimals(
        states: &mut dyn Iterator<Item = &[u8]>,
        factor: i128,
        precision: u8,
        scale: i8,
    ) -> Result<ArrayRef, JobError> {
        let mean = |state: &[u8]| {
            let (sum, count) = (i128::read(state), i64::read(&state[16..]));
            if count == 0 {
                return Ok(None);
            }
            let mean = sum.checked_mul(factor).map(|sum| sum / i128::from(count));
            mean.filter(|mean| {
                Decimal128Type::validate_decimal_precision(*mean, precision, scale).is_ok()
            })
            .map(Some)
            .ok_or_else(|| exec_datafusion_err!("Arithmetic Overflow in AvgAccumulator"))
        };
        let means = states.map(mean).collect::<Result<Decimal128Array, _>>()?;
        Ok(Arc::new(means.with_precision_and_scale(precision, scale)?))
    }
}

impl Fixed for Average {
    fn width(&self) -> usize {
        self.sum.width()
    }

    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, retract: bool, slots: &mut Slots<'_>) {
        self.sum.update(args, picked, retract, slots);
    }

    fn merge(&self, into: &mut [u8], from: &[u8]) {
        self.sum.merge(into, from);
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean in Float64 is what was asked for")]
    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError> {
        let count = |state: &[u8]| Some(i64::read(&state[8..])).filter(|count| *count != 0);
        match self.of {
            Mean::Float => Ok(Arc::new(
                states
                    .map(|state| count(state).map(|count| f64::read(state) / count as f64))
                    .collect::<Float64Array>(),
            )),
            Mean::Integer => Ok(Arc::new(
                states
                    .map(|state| count(state).map(|count| i64::read(state).wrapping_div(count)))
                    .collect::<Int64Array>(),
            )),
            Mean::Decimal { factor, precision, scale } => {
                Self::decimals(states, factor, precision, scale)
            }
        }
    }
}
