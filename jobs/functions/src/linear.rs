//! `gram_matrix(context)` and `weighted_sum(context, weight)`: the sufficient statistics of a
//! linear model of what follows a context, as `millrace_bandit::LinearStats` has them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, exec_err, plan_err};

use millrace_bandit::{Context, FEATURES, TRIANGLE, add_outer, add_scaled, numbers_json};
use millrace_plan::AggregateFunction;

use super::arguments::of_type;

/// Greatest weight of a row, of either sign.
const MOST_WEIGHT: f64 = 1e9;

/// Which of both.
///
/// State: how many contexts it has seen, then the sums, eight bytes each, little-endian. Features
/// are rounded to 1/1024, so that sums are exact: rows may come in any order and be taken back. A
/// row without a context, or with one of another length or beyond [-1, 1], is left out, and so is
/// one whose weight is no number or beyond ±10⁹: sums of such could not be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linear {
    /// `gram_matrix(context)`: Σ x xᵀ, the lower triangle row by row.
    Gram,
    /// `weighted_sum(context, weight)`: Σ w x.
    Weighted,
}

impl Linear {
    const fn numbers(self) -> usize {
        match self {
            Self::Gram => TRIANGLE,
            Self::Weighted => FEATURES,
        }
    }

    fn read(self, state: &[u8]) -> Result<(i64, Vec<f64>)> {
        if state.is_empty() {
            return Ok((0, vec![0.0; self.numbers()]));
        }
        let (words, rest) = state.as_chunks::<8>();
        if words.len() != self.numbers() + 1 || !rest.is_empty() {
            return exec_err!("the state of `{}` has {} bytes", self.name(), state.len());
        }
        let sums = words[1..].iter().map(|word| f64::from_le_bytes(*word)).collect();
        Ok((i64::from_le_bytes(words[0]), sums))
    }

    fn write(state: &mut Vec<u8>, count: i64, sums: &[f64]) {
        state.clear();
        state.extend(count.to_le_bytes());
        state.extend(sums.iter().flat_map(|sum| sum.to_le_bytes()));
    }

    fn change(self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32], sign: i8) -> Result<()> {
        let (mut count, mut sums) = self.read(state)?;
        let contexts = args[0].as_list::<i32>();
        let weights =
            args.get(1).map(|weights| of_type(weights, &DataType::Float64)).transpose()?;
        let weights = weights.as_ref().map(AsArray::as_primitive::<Float64Type>);
        let by = f64::from(sign);
        for row in rows.iter().map(|row| *row as usize) {
            let Some(context) = context(contexts, row) else { continue };
            match self {
                Self::Gram => add_outer(&mut sums, &context, by),
                Self::Weighted => {
                    let weight = |w: &Float64Array| {
                        w.is_valid(row).then(|| w.value(row)).filter(|w| w.abs() <= MOST_WEIGHT)
                    };
                    let Some(weight) = weights.and_then(weight) else { continue };
                    add_scaled(&mut sums, &context, by * weight);
                }
            }
            count += i64::from(sign);
        }
        Self::write(state, count, &sums);
        Ok(())
    }
}

fn context(contexts: &ListArray, row: usize) -> Option<Context> {
    if contexts.is_null(row) {
        return None;
    }
    let features = contexts.value(row);
    let features = features.as_primitive::<Float64Type>();
    if features.null_count() > 0 { None } else { Context::from_logged(features.values()) }
}

impl AggregateFunction for Linear {
    fn name(&self) -> &'static str {
        match self {
            Self::Gram => "gram_matrix",
            Self::Weighted => "weighted_sum",
        }
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let double = |of: &Arc<Field>| *of.data_type() == DataType::Float64;
        let is_context = |of: &DataType| matches!(of, DataType::List(of) if double(of));
        let is_weight = |of: &DataType| of.is_numeric() || *of == DataType::Boolean;
        match (self, args) {
            (Self::Gram, [of]) if is_context(of) => Ok(DataType::Utf8),
            (Self::Gram, _) => plan_err!("gram_matrix takes a context: a list of doubles"),
            (Self::Weighted, [of, weight]) if is_context(of) && is_weight(weight) => {
                Ok(DataType::Utf8)
            }
            (Self::Weighted, _) => {
                plan_err!("weighted_sum takes a context, a list of doubles, and a number")
            }
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        self.change(state, args, rows, 1)
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let ((count, mut sums), (more, others)) = (self.read(state)?, self.read(other)?);
        sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        Self::write(state, count + more, &sums);
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        self.change(state, args, rows, -1)
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let text = |state: &&[u8]| {
            let (count, sums) = self.read(state)?;
            // What was taken back may leave −0, whose text differs.
            let sums: Vec<f64> = sums.into_iter().map(|sum| sum + 0.0).collect();
            Ok((count != 0).then(|| numbers_json(&sums)))
        };
        let texts = states.iter().map(text).collect::<Result<StringArray>>()?;
        Ok(Arc::new(texts))
    }
}
