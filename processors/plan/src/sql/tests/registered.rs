//! Aggregates a program registers: bound by name, and run over a batch as DataFusion runs its own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::{Result, plan_err};
use datafusion::prelude::SessionContext;

use crate::AggregateFunction;
use crate::functions::Functions;
use crate::sql::bind;

use super::catalog;

/// The sum of squares; eight bytes of state.
#[derive(Debug)]
struct SumOfSquares;

fn number(state: &[u8]) -> i64 {
    state.try_into().map_or(0, i64::from_le_bytes)
}

impl AggregateFunction for SumOfSquares {
    fn name(&self) -> &'static str {
        "sum_of_squares"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        if args == [DataType::Int64] {
            Ok(DataType::Int64)
        } else {
            plan_err!("it wants one BIGINT")
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let values = args[0].as_primitive::<Int64Type>();
        let rows = rows.iter().map(|row| *row as usize).filter(|row| values.is_valid(*row));
        let sum: i64 = rows.map(|row| values.value(row).pow(2)).sum();
        *state = (number(state) + sum).to_le_bytes().to_vec();
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        *state = (number(state) + number(other)).to_le_bytes().to_vec();
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let values = states.iter().map(|state| number(state));
        Ok(Arc::new(Int64Array::from_iter_values(values)))
    }
}

#[test]
fn a_registered_aggregate_binds_by_name() {
    let catalog = catalog().aggregate(Arc::new(SumOfSquares));
    let sql = "INSERT INTO out SELECT bidder, SUM_OF_SQUARES(price) FROM bid GROUP BY bidder";
    let job = bind(sql, &catalog).unwrap();
    let plan = job.inserts[0].plan.display_indent().to_string();
    assert!(plan.contains("aggr=[[sum_of_squares(bid.price)]]"), "{plan}");

    let sql = "INSERT INTO out SELECT sum_of_squares(url) FROM bid";
    let error = bind(sql, &catalog).unwrap_err().remove(0);
    assert!(error.message.contains("it wants one BIGINT"), "{error}");
}

#[tokio::test]
async fn a_registered_aggregate_runs_over_a_batch() {
    let catalog = catalog().aggregate(Arc::new(SumOfSquares));
    let function = Functions::new(&catalog).aggregate("sum_of_squares").unwrap();
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![field("k"), field("v")]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 1, 2])),
        Arc::new(Int64Array::from(vec![Some(3), None, Some(4), Some(5)])),
    ];
    let context = SessionContext::new();
    context.register_udaf(function.as_ref().clone());
    context.register_batch("t", RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    let query = "SELECT k, sum_of_squares(v) AS s FROM t GROUP BY k ORDER BY k";
    let batches = context.sql(query).await.unwrap().collect().await.unwrap();
    let got = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let expected = "\
+---+----+
| k | s  |
+---+----+
| 1 | 25 |
| 2 | 25 |
+---+----+";
    assert_eq!(got, expected);
}
