//! Functions of numbers, and `FLOOR` and `CEIL`, which also take instants.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::ScalarUDF;

use crate::sql::{event_time_type, flink_name};

use super::calendar::Unit;
use super::scalar::Kind::{Any, Float, Int, Text};
use super::scalar::{Args, float_type, function, numbers, times};

type Named = (&'static str, Arc<ScalarUDF>);

macro_rules! of_one {
    ($name:literal, $value:expr) => {
        function($name, &[Float], 1, float_type, |args| {
            let values = args.float(0)?;
            let value: fn(f64) -> f64 = $value;
            numbers::<Float64Type>(args.rows, |row| Ok(values.get(row).map(value)))
        })
    };
}

/// The functions of this file.
pub(super) fn functions() -> Vec<Named> {
    vec![
        of_one!("sqrt", f64::sqrt),
        of_one!("exp", f64::exp),
        of_one!("ln", f64::ln),
        of_one!("log10", f64::log10),
        of_one!("log2", f64::log2),
        of_one!("sin", f64::sin),
        of_one!("cos", f64::cos),
        of_one!("tan", f64::tan),
        of_one!("asin", f64::asin),
        of_one!("acos", f64::acos),
        of_one!("atan", f64::atan),
        of_one!("sinh", f64::sinh),
        of_one!("cosh", f64::cosh),
        of_one!("tanh", f64::tanh),
        of_one!("degrees", f64::to_degrees),
        of_one!("radians", f64::to_radians),
        function("power", &[Float, Float], 2, float_type, |args| of_two(args, f64::powf)),
        function("atan2", &[Float, Float], 2, float_type, |args| of_two(args, f64::atan2)),
        function("log", &[Float, Float], 1, float_type, log),
        function("pi", &[], 0, float_type, |args| {
            numbers::<Float64Type>(args.rows, |_| Ok(Some(std::f64::consts::PI)))
        }),
        function("e", &[], 0, float_type, |args| {
            numbers::<Float64Type>(args.rows, |_| Ok(Some(std::f64::consts::E)))
        }),
        function("abs", &[Any], 1, same_number, abs),
        function("sign", &[Any], 1, same_number, sign),
        function("floor", &[Any, Text], 1, rounded, |args| to_whole(args, Rounding::Down)),
        function("ceil", &[Any, Text], 1, rounded, |args| to_whole(args, Rounding::Up)),
        function("ceiling", &[Any, Text], 1, rounded, |args| to_whole(args, Rounding::Up)),
        function("round", &[Any, Int], 1, same_number, |args| to_digits(args, Rounding::Half)),
        function("truncate", &[Any, Int], 1, same_number, |args| to_digits(args, Rounding::Cut)),
    ]
}

fn of_two(args: &Args, value: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (left, right) = (args.float(0)?, args.float(1)?);
    numbers::<Float64Type>(args.rows, |row| {
        Ok(left.get(row).zip(right.get(row)).map(|(left, right)| value(left, right)))
    })
}

/// `LOG(x)` is natural; `LOG(base, x)`.
fn log(args: &Args) -> Result<ArrayRef> {
    if args.len() == 2 {
        return of_two(args, |base, value| value.ln() / base.ln());
    }
    let values = args.float(0)?;
    numbers::<Float64Type>(args.rows, |row| Ok(values.get(row).map(f64::ln)))
}

/// The type numbers are computed in: whole numbers as BIGINT or their own, decimals as they are.
fn same_number(types: &[DataType]) -> Result<DataType> {
    match &types[0] {
        DataType::Decimal128(p, s) => Ok(DataType::Decimal128(*p, *s)),
        DataType::Float32 | DataType::Float64 => Ok(types[0].clone()),
        DataType::Null => Ok(DataType::Int64),
        whole if whole.is_integer() => Ok(whole.clone()),
        other => plan_err!("argument 1 is {}, not a number", flink_name(other)),
    }
}

fn rounded(types: &[DataType]) -> Result<DataType> {
    match &types[0] {
        DataType::Timestamp(..) | DataType::Date32 if types.len() == 2 => Ok(event_time_type()),
        DataType::Decimal128(p, s) if types.len() == 1 => {
            let digits = i16::from(*p) - i16::from(*s) + 1;
            Ok(DataType::Decimal128(u8::try_from(digits.clamp(1, 38)).unwrap_or(38), 0))
        }
        _ if types.len() == 1 => same_number(types),
        other => plan_err!("argument 1 is {}, not TIMESTAMP", flink_name(other)),
    }
}

fn abs(args: &Args) -> Result<ArrayRef> {
    by_type(args, i64::checked_abs, f64::abs, |value, _| value.abs())
}

fn sign(args: &Args) -> Result<ArrayRef> {
    let signum = |value: f64| if value == 0.0 { 0.0 } else { value.signum() };
    by_type(args, |v| Some(v.signum()), signum, |v, scale| v.signum() * ten_to(scale))
}

/// Applies the function of the argument's type and gives the result that type.
fn by_type(
    args: &Args,
    whole: fn(i64) -> Option<i64>,
    float: fn(f64) -> f64,
    decimal: fn(i128, i8) -> i128,
) -> Result<ArrayRef> {
    let input = args.column(0)?;
    let result: ArrayRef = match input.data_type() {
        DataType::Decimal128(p, s) => {
            let values = input.as_primitive::<Decimal128Type>();
            let values = values.unary::<_, Decimal128Type>(|value| decimal(value, *s));
            Arc::new(values.with_precision_and_scale(*p, *s)?)
        }
        DataType::Float32 | DataType::Float64 => {
            let values = args.float(0)?;
            numbers::<Float64Type>(args.rows, |row| Ok(values.get(row).map(float)))?
        }
        _ => {
            let values = args.int(0)?;
            numbers::<Int64Type>(args.rows, |row| match values.get(row) {
                None => Ok(None),
                Some(value) => whole(value)
                    .map(Some)
                    .ok_or_else(|| exec_datafusion_err!("{value} has no absolute value")),
            })?
        }
    };
    let wanted = same_number(&[input.data_type().clone()])?;
    Ok(if result.data_type() == &wanted { result } else { cast(&result, &wanted)? })
}

fn ten_to(digits: i8) -> i128 {
    10_i128.pow(u32::try_from(digits).unwrap_or(0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Down,
    Up,
    /// Away from zero when in the middle.
    Half,
    /// Towards zero.
    Cut,
}

impl Rounding {
    fn float(self, value: f64) -> f64 {
        match self {
            Self::Down => value.floor(),
            Self::Up => value.ceil(),
            Self::Half => value.round(),
            Self::Cut => value.trunc(),
        }
    }

    /// How many times `unit` a number is.
    fn divide(self, value: i128, unit: i128) -> i128 {
        match self {
            Self::Down => value.div_euclid(unit),
            Self::Up => -(-value).div_euclid(unit),
            Self::Half => (value.abs() + unit / 2) / unit * value.signum(),
            Self::Cut => value / unit,
        }
    }
}

/// `FLOOR` and `CEIL`: of a number to a whole one, of an instant to a unit of time.
fn to_whole(args: &Args, rounding: Rounding) -> Result<ArrayRef> {
    if args.len() == 2 {
        let (values, name) = (args.time(0)?, args.text(1)?);
        let name = name.get(0).unwrap_or_default();
        let Some(unit) = Unit::named(name) else {
            return exec_err!("there is no unit of time {name}");
        };
        return times(args.rows, |row| {
            let of =
                |time| if rounding == Rounding::Up { unit.ceil(time) } else { unit.floor(time) };
            Ok(values.get(row).map(of))
        });
    }
    let input = args.column(0)?;
    let DataType::Decimal128(_, scale) = input.data_type() else {
        return to_digits(args, rounding);
    };
    let unit = ten_to(*scale);
    let values = input.as_primitive::<Decimal128Type>();
    let values = values.unary::<_, Decimal128Type>(|value| rounding.divide(value, unit));
    match rounded(&[input.data_type().clone()])? {
        DataType::Decimal128(p, s) => Ok(Arc::new(values.with_precision_and_scale(p, s)?)),
        other => exec_err!("a decimal rounded to {other}"),
    }
}

/// To some digits after the point; before it, if negative.
fn to_digits(args: &Args, rounding: Rounding) -> Result<ArrayRef> {
    let input = args.column(0)?;
    let digits = if args.len() > 1 { args.int(1)?.get(0) } else { Some(0) };
    let Some(digits) = digits else {
        let wanted = same_number(&[input.data_type().clone()])?;
        return Ok(arrow::array::new_null_array(&wanted, args.rows));
    };
    let digits = i32::try_from(digits.clamp(-38, 38)).unwrap_or(0);
    match input.data_type() {
        DataType::Decimal128(p, s) => {
            let cut = u32::try_from(i32::from(*s) - digits).unwrap_or(0).min(38);
            let unit = 10_i128.pow(cut);
            let values = input.as_primitive::<Decimal128Type>();
            let values =
                values.unary::<_, Decimal128Type>(|value| rounding.divide(value, unit) * unit);
            Ok(Arc::new(values.with_precision_and_scale(*p, *s)?))
        }
        DataType::Float32 | DataType::Float64 => {
            let values = args.float(0)?;
            let scale = 10_f64.powi(digits);
            let result = numbers::<Float64Type>(args.rows, |row| {
                Ok(values.get(row).map(|value| rounding.float(value * scale) / scale))
            })?;
            Ok(cast(&result, input.data_type())?)
        }
        _ => {
            let values = args.int(0)?;
            let unit = 10_i128.pow(u32::try_from(-digits).unwrap_or(0).min(20));
            let result = numbers::<Int64Type>(args.rows, |row| {
                let rounded = |value| rounding.divide(i128::from(value), unit) * unit;
                Ok(values.get(row).and_then(|value| i64::try_from(rounded(value)).ok()))
            })?;
            Ok(cast(&result, &same_number(&[input.data_type().clone()])?)?)
        }
    }
}
