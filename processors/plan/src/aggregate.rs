//! Aggregates a job can compute, and the contract of those a program registers.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;

/// One aggregate of an aggregation. Arguments and filter are columns of its input: the planner
/// computes expressions in a projection below.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFn,
    /// Argument columns.
    pub args: Vec<usize>,
    /// Types of the arguments.
    pub arg_types: Vec<DataType>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Boolean column that must be true for a row to count.
    pub filter: Option<usize>,
    /// Type of the result.
    pub output: DataType,
    /// Name of the result column.
    pub name: String,
}

/// An aggregate function.
#[derive(Debug, Clone)]
pub enum AggregateFn {
    /// `COUNT(*)`.
    CountRows,
    /// `COUNT(x)`: rows in which it is not NULL.
    Count,
    /// `SUM(x)`: in the type of the output (`Int64`, `UInt64`, `Float64`, `Decimal128`).
    Sum,
    /// `MIN(x)`.
    Min,
    /// `MAX(x)`.
    Max,
    /// `AVG(x)`: `Float64`, or `Decimal128` for decimals.
    Avg,
    /// `FIRST_VALUE(x)` in order of arrival.
    First,
    /// `LAST_VALUE(x)` in order of arrival.
    Last,
    /// `STDDEV_POP`, `STDDEV_SAMP`, `VAR_POP`, `VAR_SAMP` (Welford, merged by Chan et al. 1979).
    Moments {
        /// Standard deviation rather than variance.
        root: bool,
        /// Divided by n − 1 rather than n.
        sample: bool,
    },
    /// `BOOL_AND(x)`.
    And,
    /// `BOOL_OR(x)`.
    Or,
    /// `LISTAGG(x, separator)` in order of arrival; the separator is a literal.
    ListAgg {
        /// Between two texts.
        separator: String,
    },
    /// `ARRAY_AGG(x)` in order of arrival.
    ArrayAgg,
    /// A function the program registered.
    Registered(Arc<dyn AggregateFunction>),
}

impl AggregateFn {
    /// Whether the aggregate can take a row back (its input may be a changelog).
    pub fn retracts(&self) -> bool {
        match self {
            Self::CountRows | Self::Count | Self::Sum | Self::Avg | Self::Moments { .. } => true,
            Self::Registered(function) => function.retracts(),
            _ => false,
        }
    }
}

/// An aggregate written in Rust. Its state is bytes that it reads and writes itself: they are what
/// checkpoints keep, so their layout is part of the function's version.
pub trait AggregateFunction: Send + Sync + Debug {
    /// Name in SQL, lower case.
    fn name(&self) -> &str;

    /// Type of the result for these argument types, or an error that says what is accepted.
    fn return_type(&self, args: &[DataType]) -> Result<DataType>;

    /// Adds the given rows of the arguments to a state; an empty state is a new one. The columns
    /// have few rows beside them, so that work on whole columns is no waste.
    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()>;

    /// Adds what another state has seen.
    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()>;

    /// Whether [`Self::retract`] works.
    fn retracts(&self) -> bool {
        false
    }

    /// Takes rows back.
    fn retract(&self, _state: &mut Vec<u8>, _args: &[ArrayRef], _rows: &[u32]) -> Result<()> {
        datafusion::common::not_impl_err!("`{}` cannot take rows back", self.name())
    }

    /// The results of states, in order, as one column.
    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef>;
}
