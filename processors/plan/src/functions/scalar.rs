//! One shape for all scalar functions written here: accepted kinds, result type, a loop over rows.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringArray,
    StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::sql::{event_time_type, flink_name};

/// What an argument may be, and what it is turned into before the function sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, as Utf8.
    Text,
    /// A whole number, as Int64.
    Int,
    /// A number, as Float64.
    Float,
    /// An instant or a date, as microseconds in UTC.
    Time,
    /// A boolean.
    Bool,
    /// Anything, as it is.
    Any,
}

impl Kind {
    fn accept(self, given: &DataType) -> Option<DataType> {
        use DataType as T;
        let text = matches!(given, T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Null)
            || matches!(given, T::Dictionary(_, value) if value.is_string());
        let null = given.is_null();
        match self {
            Self::Any => Some(given.clone()),
            Self::Text => text.then_some(T::Utf8),
            Self::Int => (null || given.is_integer()).then_some(T::Int64),
            Self::Float => (null || given.is_numeric()).then_some(T::Float64),
            Self::Time => {
                let time = matches!(given, T::Timestamp(..) | T::Date32);
                (null || time).then(event_time_type)
            }
            Self::Bool => (null || *given == T::Boolean).then_some(T::Boolean),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "STRING",
            Self::Int => "BIGINT",
            Self::Float => "a number",
            Self::Time => "TIMESTAMP",
            Self::Bool => "BOOLEAN",
            Self::Any => "any value",
        }
    }
}

type Returns = fn(&[DataType]) -> Result<DataType>;
type Run = fn(&Args) -> Result<ArrayRef>;

/// A function of this crate's.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    kinds: &'static [Kind],
    needed: usize,
    returns: Returns,
    run: Run,
    signature: Signature,
}

/// A function of these arguments, the first `needed` of which must be given.
pub(super) fn function(
    name: &'static str,
    kinds: &'static [Kind],
    needed: usize,
    returns: Returns,
    run: Run,
) -> (&'static str, Arc<ScalarUDF>) {
    let signature = Signature::user_defined(Volatility::Immutable);
    let function = Function { name, kinds, needed, returns, run, signature };
    (name, Arc::new(ScalarUDF::new_from_impl(function)))
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        (self.returns)(arg_types)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let accepted = |position: usize, data_type: &DataType| {
            let kind = self.kinds[position];
            kind.accept(data_type).ok_or_else(|| {
                datafusion::common::plan_datafusion_err!(
                    "argument {} is {}, not {}",
                    position + 1,
                    flink_name(data_type),
                    kind.name()
                )
            })
        };
        if given.len() < self.needed || given.len() > self.kinds.len() {
            let most = self.kinds.len();
            let wants = if self.needed == most {
                most.to_string()
            } else {
                format!("{} to {most}", self.needed)
            };
            return plan_err!("it wants {wants} arguments, not {}", given.len());
        }
        given.iter().enumerate().map(|(position, t)| accepted(position, t)).collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let result = (self.run)(&Args { values: args.args, rows })?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }
}

/// The arguments of a call.
pub(super) struct Args {
    values: Vec<ColumnarValue>,
    pub(super) rows: usize,
}

impl Args {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// An argument as a column.
    pub(super) fn column(&self, index: usize) -> Result<ArrayRef> {
        self.values[index].to_array(self.rows)
    }

    /// The columns of all arguments.
    pub(super) fn columns(&self) -> Result<Vec<ArrayRef>> {
        (0..self.len()).map(|index| self.column(index)).collect()
    }

    fn values(&self, index: usize, data_type: &DataType) -> Result<Values> {
        Ok(match &self.values[index] {
            ColumnarValue::Array(array) => Values { array: as_type(array, data_type)?, one: false },
            ColumnarValue::Scalar(scalar) => {
                Values { array: as_type(&scalar.to_array()?, data_type)?, one: true }
            }
        })
    }

    /// An argument of kind [`Kind::Text`].
    pub(super) fn text(&self, index: usize) -> Result<Texts> {
        let values = self.values(index, &DataType::Utf8)?;
        Ok(Texts { array: values.array.as_string().clone(), one: values.one })
    }

    /// An argument of kind [`Kind::Text`] if it is given.
    pub(super) fn text_or_none(&self, index: usize) -> Result<Option<Texts>> {
        (index < self.len()).then(|| self.text(index)).transpose()
    }

    /// An argument of kind [`Kind::Int`].
    pub(super) fn int(&self, index: usize) -> Result<Numbers<Int64Type>> {
        self.number(index, &DataType::Int64)
    }

    /// An argument of kind [`Kind::Float`].
    pub(super) fn float(&self, index: usize) -> Result<Numbers<Float64Type>> {
        self.number(index, &DataType::Float64)
    }

    /// An argument of kind [`Kind::Time`].
    pub(super) fn time(&self, index: usize) -> Result<Numbers<TimestampMicrosecondType>> {
        self.number(index, &event_time_type())
    }

    /// A boolean argument's value in a row.
    pub(super) fn bool(&self, index: usize) -> Result<BooleanArray> {
        Ok(as_type(&self.column(index)?, &DataType::Boolean)?.as_boolean().clone())
    }

    fn number<T: ArrowPrimitiveType>(
        &self,
        index: usize,
        data_type: &DataType,
    ) -> Result<Numbers<T>> {
        let values = self.values(index, data_type)?;
        Ok(Numbers { array: values.array.as_primitive::<T>().clone(), one: values.one })
    }
}

fn as_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    Ok(cast(array, data_type)?)
}

struct Values {
    array: ArrayRef,
    one: bool,
}

/// Texts, or one text for all rows.
pub(super) struct Texts {
    array: StringArray,
    one: bool,
}

impl Texts {
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let row = if self.one { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    /// Whether all rows have the same text.
    pub(super) fn is_constant(&self) -> bool {
        self.one
    }
}

/// Numbers, or one number for all rows.
pub(super) struct Numbers<T: ArrowPrimitiveType> {
    array: PrimitiveArray<T>,
    one: bool,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    pub(super) fn get(&self, row: usize) -> Option<T::Native> {
        let row = if self.one { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// A column of texts, row by row; `write` appends to a buffer and says whether there is a value.
pub(super) fn texts(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Result<Option<()>>,
) -> Result<ArrayRef> {
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    let mut buffer = String::new();
    for row in 0..rows {
        buffer.clear();
        match write(row, &mut buffer)? {
            Some(()) => builder.append_value(&buffer),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// A column of texts that are parts of others.
pub(super) fn slices<'a>(rows: usize, part: impl FnMut(usize) -> Option<&'a str>) -> ArrayRef {
    Arc::new((0..rows).map(part).collect::<StringArray>())
}

/// A column of numbers, row by row.
pub(super) fn numbers<T: ArrowPrimitiveType>(
    rows: usize,
    value: impl FnMut(usize) -> Result<Option<T::Native>>,
) -> Result<ArrayRef> {
    let values = (0..rows).map(value).collect::<Result<PrimitiveArray<T>>>()?;
    Ok(Arc::new(values))
}

/// A column of instants, row by row.
pub(super) fn times(
    rows: usize,
    value: impl FnMut(usize) -> Result<Option<i64>>,
) -> Result<ArrayRef> {
    let values: PrimitiveArray<TimestampMicrosecondType> =
        (0..rows).map(value).collect::<Result<_>>()?;
    Ok(Arc::new(values.with_timezone("UTC")))
}

/// A column of booleans, row by row.
pub(super) fn booleans(
    rows: usize,
    value: impl FnMut(usize) -> Result<Option<bool>>,
) -> Result<ArrayRef> {
    let values: BooleanArray = (0..rows).map(value).collect::<Result<_>>()?;
    Ok(Arc::new(values))
}

#[expect(clippy::unnecessary_wraps, reason = "the type of `Returns`")]
pub(super) fn text_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of `Returns`")]
pub(super) fn int_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int32)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of `Returns`")]
pub(super) fn bigint_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int64)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of `Returns`")]
pub(super) fn float_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Float64)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of `Returns`")]
pub(super) fn bool_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Boolean)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of `Returns`")]
pub(super) fn time_type(_: &[DataType]) -> Result<DataType> {
    Ok(event_time_type())
}
