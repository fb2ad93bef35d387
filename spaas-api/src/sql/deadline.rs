//! The time limit inside the work: joins that never pause look at the clock themselves.
//!
//! A join can try billions of pairs within one poll, and no timer ends a poll. So every join
//! condition is wrapped in a function that fails once time is up, and a filter made of it stands on
//! every node that multiplies rows.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Filter, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};

/// The error by which work ends when its time is up.
#[derive(Debug, thiserror::Error)]
#[error("time is up")]
pub(crate) struct TimeIsUp;

/// Gives its argument back until the deadline, then fails.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithinTime {
    deadline: Instant,
    signature: Signature,
}

impl ScalarUDFImpl for WithinTime {
    fn name(&self) -> &'static str {
        "within_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if Instant::now() >= self.deadline {
            return Err(DataFusionError::External(Box::new(TimeIsUp)));
        }
        Ok(args.args.swap_remove(0))
    }
}

/// `plan`, already optimised, with the clock in every place that can work for long without a pause.
pub(crate) fn bound(plan: LogicalPlan, deadline: Instant) -> Result<LogicalPlan> {
    // Volatile, or a condition that is always true would be computed once and for all.
    let signature = Signature::exact(vec![DataType::Boolean], Volatility::Volatile);
    let within_time = ScalarUDF::from(WithinTime { deadline, signature });
    let bounded = plan.transform_up_with_subqueries(|node| {
        let node = match node {
            LogicalPlan::Join(mut join) => {
                join.filter = join.filter.map(|condition| within_time.call(vec![condition]));
                LogicalPlan::Join(join)
            }
            node @ LogicalPlan::Unnest(_) => node,
            node => return Ok(Transformed::no(node)),
        };
        let always = within_time.call(vec![lit(true)]);
        Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(always, Arc::new(node))?)))
    })?;
    Ok(bounded.data)
}
