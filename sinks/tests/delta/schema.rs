//! How a table's columns may change.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use millrace_sinks::SinkError;

use crate::place::{Place, batch_of, claim, tp};

fn columns(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .expect("consistent")
}

fn longs(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

#[tokio::test]
async fn columns_come_and_stay_nullable() {
    let place = Place::new();
    let steps = [
        columns(vec![("id", longs(vec![0, 1])), ("a", longs(vec![10, 11]))]),
        columns(vec![("b", longs(vec![20, 21])), ("id", longs(vec![2, 3]))]),
        columns(vec![("id", longs(vec![4, 5]))]),
    ];
    for (n, rows) in (0_i64..).zip(steps) {
        let mut sink = place.sink_of("raw.t", rows.schema()).await;
        assert_eq!(claim(sink.as_mut()).await, 2 * n);
        sink.write(batch_of(2 * n..2 * n + 2, rows)).await.expect("writes");
        sink.commit().await.expect("commits");
    }
    let query = "SELECT count(*), count(a), sum(a), count(b), sum(b), sum(id) FROM t";
    let found = place.sql("raw.t", query).await.remove(0);
    let found: Vec<_> =
        found.columns().iter().map(|c| c.as_primitive::<Int64Type>().value(0)).collect();
    assert_eq!(found, [6, 2, 21, 2, 41, 15]);
    let pruned = place.sql("raw.t", "SELECT id FROM t WHERE a = 11 OR b = 20 ORDER BY id").await;
    let ids = |b: &RecordBatch| b.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(pruned.iter().flat_map(ids).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_changed_type_is_refused_at_the_claim() {
    let place = Place::new();
    let old = columns(vec![("id", longs(vec![0]))]);
    claim(place.sink_of("raw.t", old.schema()).await.as_mut()).await;
    let new = columns(vec![("id", Arc::new(StringArray::from(vec!["0"])) as ArrayRef)]);
    let refused = place.sink_of("raw.t", new.schema()).await.claim(&[tp()]).await;
    let Err(SinkError::Rejected { what }) = refused else { panic!("{refused:?}") };
    assert!(what.contains("raw.t") && what.contains("long") && what.contains("string"), "{what}");
}

#[tokio::test]
async fn a_table_is_listed_and_a_missing_one_refused() {
    let place = Place::new();
    let warehouse = place.warehouse().await;
    assert_eq!(warehouse.tables().await.expect("lists"), []);
    assert_eq!(warehouse.audit().await.expect("audits"), []);
    let missing = warehouse.provider(&"raw.t".parse().expect("valid")).await;
    assert!(matches!(missing, Err(SinkError::Rejected { .. })), "{:?}", missing.err());
    for table in ["raw.t", "alone"] {
        claim(place.sink("r", table).await.as_mut()).await;
    }
    let names: Vec<_> =
        warehouse.tables().await.expect("lists").iter().map(ToString::to_string).collect();
    assert_eq!(names, ["alone", "raw.t"]);
}
