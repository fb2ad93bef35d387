//! Functions of a program's own in SQL: one on rows, one that aggregates.

use std::error::Error;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::{Result as PlanResult, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use millrace_plan::{AggregateFunction, Catalog, SinkDef, SourceDef, plan};
use millrace_processors::connector::{MemorySink, MemorySource};
use millrace_processors::{Job, final_rows};

const SQL: &str = "
    INSERT INTO answers
    SELECT server, geometric_mean(seconds(took_ms)) AS typical
    FROM requests GROUP BY server";

/// `seconds(milliseconds)`.
fn seconds() -> ScalarUDF {
    let work = Arc::new(|args: &[ColumnarValue]| -> PlanResult<ColumnarValue> {
        let millis = ColumnarValue::values_to_arrays(args)?.remove(0);
        #[expect(clippy::cast_precision_loss, reason = "times of requests are small")]
        let seconds = |millis: i64| millis as f64 / 1000.0;
        let seconds: Float64Array = millis.as_primitive::<Int64Type>().unary(seconds);
        Ok(ColumnarValue::Array(Arc::new(seconds)))
    });
    create_udf("seconds", vec![DataType::Int64], DataType::Float64, Volatility::Immutable, work)
}

/// `geometric_mean(x)`. State: the number of values and the sum of their logarithms, eight bytes
/// each, little-endian. It takes values back, so it may read a changelog.
#[derive(Debug)]
struct GeometricMean;

impl GeometricMean {
    fn read(state: &[u8]) -> (i64, f64) {
        let part = |at: usize| state[at..at + 8].try_into().expect("eight bytes are eight bytes");
        if state.is_empty() {
            (0, 0.0)
        } else {
            (i64::from_le_bytes(part(0)), f64::from_le_bytes(part(8)))
        }
    }

    fn add(state: &mut Vec<u8>, count: i64, logarithms: f64) {
        let (known, sum) = Self::read(state);
        state.clear();
        state.extend((known + count).to_le_bytes());
        state.extend((sum + logarithms).to_le_bytes());
    }

    fn change(state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32], sign: i8) -> PlanResult<()> {
        let values = cast(&args[0], &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        for row in rows.iter().map(|row| *row as usize).filter(|row| values.is_valid(*row)) {
            Self::add(state, i64::from(sign), f64::from(sign) * values.value(row).ln());
        }
        Ok(())
    }
}

impl AggregateFunction for GeometricMean {
    fn name(&self) -> &'static str {
        "geometric_mean"
    }

    fn return_type(&self, args: &[DataType]) -> PlanResult<DataType> {
        match args {
            [one] if one.is_numeric() => Ok(DataType::Float64),
            _ => plan_err!("geometric_mean takes one number"),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> PlanResult<()> {
        Self::change(state, args, rows, 1)
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> PlanResult<()> {
        let (count, logarithms) = Self::read(other);
        Self::add(state, count, logarithms);
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> PlanResult<()> {
        Self::change(state, args, rows, -1)
    }

    fn finish(&self, states: &[&[u8]]) -> PlanResult<ArrayRef> {
        #[expect(clippy::cast_precision_loss, reason = "a mean of so many is not exact anyway")]
        let mean = |state: &&[u8]| match Self::read(state) {
            (0, _) => None,
            (count, logarithms) => Some((logarithms / count as f64).exp()),
        };
        Ok(Arc::new(states.iter().map(mean).collect::<Float64Array>()))
    }
}

/// The geometric mean of the times of each server's requests, in seconds.
pub(crate) async fn answers(requests: RecordBatch) -> Result<RecordBatch, Box<dyn Error>> {
    let source = SourceDef { schema: requests.schema(), event_time: None, bounded: true };
    // One row a server, which changes with each request: a sink for it has a key.
    let catalog = Catalog::default()
        .source("requests", source)
        .sink("answers", SinkDef { schema: None, key: Some(vec!["server".to_owned()]) })
        .scalar(seconds())
        .aggregate(Arc::new(GeometricMean));
    let plan = plan(SQL, &catalog).map_err(|mistakes| format!("{}", mistakes[0]))?;
    let sink = MemorySink::new();
    let job = Job::new("answers", plan)
        .with_source("requests", MemorySource::new(vec![requests]))
        .with_sink("answers", sink.clone());
    job.run().await?;
    let changes = sink.committed();
    let schema = changes.first().ok_or("no request came")?.rows.schema();
    Ok(final_rows(&schema, Some(&[0]), &changes)?)
}

/// Requests of two servers.
pub(crate) fn requests() -> RecordBatch {
    let columns: [(&str, ArrayRef); 2] = [
        ("server", Arc::new(StringArray::from(vec!["a", "b", "a", "a"]))),
        ("took_ms", Arc::new(Int64Array::from(vec![Some(1000), Some(500), Some(4000), None]))),
    ];
    RecordBatch::try_from_iter(columns).expect("both columns have four rows")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", pretty_format_batches(&[answers(requests()).await?])?);
    Ok(())
}
