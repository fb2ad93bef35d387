//! From a call to the function that computes it.

use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};

use millrace_plan::{AggregateCall, AggregateFn};

use super::average::Average;
use super::count::{Count, Truth};
use super::extreme::extreme;
use super::function::{Fixed, Variable};
use super::moments::Moments;
use super::registered::Registered;
use super::sequence::{ArrayAgg, Edge, ListAgg};
use super::sum::Sum;
use super::text_extreme::TextExtreme;
use crate::JobError;

/// A function, by where its state is.
pub(crate) enum Function {
    /// The number of rows of the group, which every state has.
    Rows,
    /// In a field of the record.
    Fixed(Box<dyn Fixed>),
    /// After the record.
    Variable(Box<dyn Variable>),
}

/// The function of a call, and the types its arguments are to be given in.
pub(crate) fn function(call: &AggregateCall) -> Result<(Function, Vec<DataType>), JobError> {
    let of = call.arg_types.first().unwrap_or(&DataType::Null);
    let fixed = |function: Box<dyn Fixed>, input: &DataType| {
        (Function::Fixed(function), vec![input.clone()])
    };
    let variable = |function: Box<dyn Variable>, input: &DataType| {
        (Function::Variable(function), vec![input.clone()])
    };
    Ok(match &call.function {
        AggregateFn::CountRows if call.filter.is_none() => (Function::Rows, Vec::new()),
        AggregateFn::CountRows => (Function::Fixed(Box::new(Count)), Vec::new()),
        AggregateFn::Count => (Function::Fixed(Box::new(Count)), call.arg_types.clone()),
        AggregateFn::Sum => match (&call.output, of) {
            (DataType::Int64, _) => {
                fixed(Box::new(Sum::<Int64Type>::new(DataType::Int64)), &DataType::Int64)
            }
            (DataType::UInt64, _) => {
                fixed(Box::new(Sum::<UInt64Type>::new(DataType::UInt64)), &DataType::UInt64)
            }
            (DataType::Float64, _) => {
                fixed(Box::new(Sum::<Float64Type>::new(DataType::Float64)), &DataType::Float64)
            }
            // More digits before the point need no other numbers, only another scale would.
            (DataType::Decimal128(_, scale), DataType::Decimal128(_, from)) => {
                let input = if scale == from { of } else { &call.output };
                fixed(Box::new(Sum::<Decimal128Type>::new(call.output.clone())), input)
            }
            _ => return Err(unsupported(call)),
        },
        AggregateFn::Avg => {
            let input = match (&call.output, of) {
                (DataType::Decimal128(..), _) => of,
                (DataType::Float64 | DataType::Float32, _) => &DataType::Float64,
                _ => &DataType::Int64,
            };
            let average = Average::new(input, &call.output).ok_or_else(|| unsupported(call))?;
            fixed(Box::new(average), input)
        }
        AggregateFn::Min | AggregateFn::Max => {
            let greatest = matches!(call.function, AggregateFn::Max);
            match of {
                DataType::Boolean => fixed(Box::new(Truth { any: greatest }), of),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                    variable(Box::new(TextExtreme { greatest }), &DataType::Utf8)
                }
                _ => fixed(extreme(of, greatest).ok_or_else(|| unsupported(call))?, of),
            }
        }
        AggregateFn::First => variable(Box::new(Edge::new(of, false)?), of),
        AggregateFn::Last => variable(Box::new(Edge::new(of, true)?), of),
        AggregateFn::Moments { root, sample } => {
            fixed(Box::new(Moments { root: *root, sample: *sample }), &DataType::Float64)
        }
        AggregateFn::And => fixed(Box::new(Truth { any: false }), &DataType::Boolean),
        AggregateFn::Or => fixed(Box::new(Truth { any: true }), &DataType::Boolean),
        AggregateFn::ListAgg { separator } => {
            variable(Box::new(ListAgg { separator: separator.clone() }), &DataType::Utf8)
        }
        AggregateFn::ArrayAgg => variable(Box::new(ArrayAgg::new(of)?), of),
        AggregateFn::Registered(function) => {
            let function = Registered { function: function.clone() };
            (Function::Variable(Box::new(function)), call.arg_types.clone())
        }
    })
}

fn unsupported(call: &AggregateCall) -> JobError {
    let of: Vec<String> = call.arg_types.iter().map(ToString::to_string).collect();
    JobError::Unsupported(format!("`{}` over {} cannot be computed", call.name, of.join(", ")))
}
