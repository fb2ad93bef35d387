//! `LATEST_STRING(x, at, id)`, `LATEST_BIGINT`, `LATEST_DOUBLE`: what the newest row says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, plan_err};
use millrace_plan::AggregateFunction;

use super::arguments::{MICROS, is_text, is_time, of_type, take_i64, take_short};

/// `LATEST_…(x, at, id)`: `x` of the row with the greatest `(at, id)`, which may be NULL. Rows
/// whose
/// `at` or `id` is NULL are left out.
///
/// The result depends on the set of rows alone: not on their order, nor on how often a row comes.
/// Should two rows share `(at, id)`, the one whose `x` has the greater bytes counts.
///
/// State, little-endian: `at` in microseconds (8 bytes), length of `id` (2) and `id`, 1 if there is
/// a value, and the value: its text, or 8 bytes.
#[derive(Debug)]
pub(crate) struct Latest {
    name: &'static str,
    of: DataType,
}

impl Latest {
    /// The function for each type.
    pub(crate) fn all() -> [Self; 3] {
        [
            Self { name: "latest_string", of: DataType::Utf8 },
            Self { name: "latest_bigint", of: DataType::Int64 },
            Self { name: "latest_double", of: DataType::Float64 },
        ]
    }

    fn takes(&self, x: &DataType) -> bool {
        match self.of {
            DataType::Utf8 => is_text(x),
            DataType::Int64 => x.is_integer(),
            _ => x.is_numeric(),
        }
    }
}

/// What orders two states, and all that is in them.
type Place<'a> = (i64, &'a [u8], Option<&'a [u8]>);

fn read(state: &[u8]) -> Option<Place<'_>> {
    let mut rest = state;
    let at = take_i64(&mut rest)?;
    let id = take_short(&mut rest)?;
    let (has, value) = rest.split_first()?;
    Some((at, id, (*has == 1).then_some(value)))
}

fn offer(state: &mut Vec<u8>, (at, id, value): Place<'_>) {
    if read(state).is_some_and(|known| known >= (at, id, value)) {
        return;
    }
    state.clear();
    state.extend(at.to_le_bytes());
    state.extend(u16::try_from(id.len()).unwrap_or(u16::MAX).to_le_bytes());
    state.extend(&id[..id.len().min(u16::MAX.into())]);
    state.push(u8::from(value.is_some()));
    state.extend(value.unwrap_or_default());
}

impl AggregateFunction for Latest {
    fn name(&self) -> &str {
        self.name
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [x, at, id] if self.takes(x) && is_time(at) && is_text(id) => Ok(self.of.clone()),
            _ => plan_err!("{} takes a {}, a time and an id as text", self.name, self.of),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let (x, at) = (of_type(&args[0], &self.of)?, of_type(&args[1], &MICROS)?);
        let id = of_type(&args[2], &DataType::Utf8)?;
        let (at, id) = (at.as_primitive::<TimestampMicrosecondType>(), id.as_string::<i32>());
        for row in rows.iter().map(|row| *row as usize) {
            if at.is_null(row) || id.is_null(row) {
                continue;
            }
            let number: [u8; 8];
            let value = match self.of {
                _ if x.is_null(row) => None,
                DataType::Utf8 => Some(x.as_string::<i32>().value(row).as_bytes()),
                DataType::Int64 => {
                    number = x.as_primitive::<Int64Type>().value(row).to_le_bytes();
                    Some(&number[..])
                }
                _ => {
                    number = x.as_primitive::<Float64Type>().value(row).to_le_bytes();
                    Some(&number[..])
                }
            };
            offer(state, (at.value(row), id.value(row).as_bytes(), value));
        }
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        if let Some(other) = read(other) {
            offer(state, other);
        }
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let values = states.iter().map(|state| read(state).and_then(|(.., value)| value));
        let number = |value: &[u8]| value.try_into().expect("numbers have eight bytes");
        Ok(match self.of {
            DataType::Utf8 => {
                let text = |value| std::str::from_utf8(value).expect("it was written as text");
                Arc::new(values.map(|value| value.map(text)).collect::<StringArray>())
            }
            DataType::Int64 => {
                let whole = |value| i64::from_le_bytes(number(value));
                Arc::new(values.map(|value| value.map(whole)).collect::<Int64Array>())
            }
            _ => {
                let real = |value| f64::from_le_bytes(number(value));
                Arc::new(values.map(|value| value.map(real)).collect::<Float64Array>())
            }
        })
    }
}
