//! An aggregate of the program's, as DataFusion calls aggregates.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::AggregateFunction;

/// The function as one DataFusion can bind and, over a batch, run.
pub(super) fn aggregate_udf(function: &Arc<dyn AggregateFunction>) -> AggregateUDF {
    let any = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
    let signature = Signature::new(any, Volatility::Immutable);
    AggregateUDF::new_from_impl(Registered { function: Arc::clone(function), signature })
}

#[derive(Debug)]
struct Registered {
    function: Arc<dyn AggregateFunction>,
    signature: Signature,
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for Registered {}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name().hash(state);
    }
}

impl AggregateUDFImpl for Registered {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.return_type(arg_types)
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(State { function: Arc::clone(&self.function), bytes: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[state]", args.name), DataType::Binary, false))])
    }
}

/// The state of one group.
#[derive(Debug)]
struct State {
    function: Arc<dyn AggregateFunction>,
    bytes: Vec<u8>,
}

fn all_rows(values: &[ArrayRef]) -> Result<Vec<u32>> {
    let rows = values.first().map_or(0, Array::len);
    let rows =
        u32::try_from(rows).map_err(|_| internal_datafusion_err!("a batch of {rows} rows"))?;
    Ok((0..rows).collect())
}

impl Accumulator for State {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.function.update(&mut self.bytes, values, &all_rows(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = self.function.finish(&[self.bytes.as_slice()])?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.bytes.clone()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states[0].as_binary::<i32>();
        states.iter().flatten().try_for_each(|other| self.function.merge(&mut self.bytes, other))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.function.retract(&mut self.bytes, values, &all_rows(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.function.retracts()
    }
}
