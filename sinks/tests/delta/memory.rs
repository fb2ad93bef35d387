//! The budget holds, whatever the number of partitions.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};

use millrace_events::Budget;
use millrace_sinks::{PartitionColumn, TableSinkSettings};

use crate::place::{Place, batch_of, claim, range};

const PARTITIONS: i64 = 1000;

/// 200 bytes a row, to every partition in turn.
fn spread(from: i64, rows: i64) -> RecordBatch {
    let ids = from..from + rows;
    let bucket = ids.clone().map(|id| i32::try_from(id % PARTITIONS).expect("small"));
    let text = ids.clone().map(|id| format!("{:0190}", id.wrapping_mul(0x9e37_79b9)));
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef, true),
        ("bucket", Arc::new(Int32Array::from_iter_values(bucket)), true),
        ("text", Arc::new(StringArray::from_iter_values(text)), true),
    ])
    .expect("consistent")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_open_partitions_stay_within_the_budget() {
    const LIMIT: usize = 4 << 20;
    const ROWS: i64 = 60_000;
    let place = Place::new();
    let budget = Budget::new("tight", LIMIT);
    let settings = TableSinkSettings {
        columns: spread(0, 1).schema(),
        partition_by: vec![PartitionColumn::Column("bucket".into())],
        budget: budget.clone(),
        ..place.settings("r", "raw.t")
    };
    let mut sink = place.warehouse().await.table_sink(settings);
    claim(sink.as_mut()).await;
    for from in (0..ROWS).step_by(5000) {
        sink.write(batch_of(from..from + 5000, spread(from, 5000))).await.expect("writes");
    }
    sink.commit().await.expect("commits");
    assert!(budget.peak() > LIMIT / 2, "the budget was used: {}", budget.peak());
    assert!(budget.peak() <= LIMIT, "the budget was kept: {}", budget.peak());
    assert_eq!(budget.used(), 0);
    assert_eq!(place.ids("raw.t").await, range(ROWS));
}
