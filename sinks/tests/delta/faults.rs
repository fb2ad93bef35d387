//! Commits whose outcome is not what the store says, and uploads that stop half-way.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::FutureExt;

use millrace_events::{Budget, Epoch};
use millrace_sinks::{Sink, SinkError, TableSinkSettings};

use crate::place::{Place, batch, batch_of, claim, range, resume, rows, tp};
use crate::store::Fault;

const LOG: &str = "_delta_log/0";

/// Commits 0..10, then 10..20 under `fault`.
async fn committed_under(fault: Fault, times: usize) -> (Place, Result<(), SinkError>) {
    let place = Place::new();
    let mut sink = place.sink("r", "raw.t").await;
    resume(sink.as_mut(), 10).await;
    place.faults.add(LOG, fault, times);
    sink.write(batch(10..20)).await.expect("writes");
    let outcome = sink.commit().await.map(|moved| assert!(moved[0].1.adds_up()));
    (place, outcome)
}

#[tokio::test]
async fn a_commit_that_succeeded_and_timed_out_is_not_repeated() {
    for fault in [Fault::After, Fault::Exists] {
        let (place, outcome) = committed_under(fault, 1).await;
        outcome.expect("commits");
        assert!(place.faults.are_spent());
        assert_eq!(place.ids("raw.t").await, range(20), "{fault:?}");
        assert_eq!(place.files("raw.t", ".json").len(), 3, "claim, commit, commit");
    }
}

#[tokio::test]
async fn a_commit_that_failed_before_anything_happened_is_tried_again() {
    let (place, outcome) = committed_under(Fault::Before, 3).await;
    outcome.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(20));
}

#[tokio::test]
async fn a_commit_is_given_up_when_the_store_stays_away() {
    let (place, outcome) = committed_under(Fault::Before, usize::MAX).await;
    assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
    place.faults.clear();
    assert_eq!(place.ids("raw.t").await, range(10));
    resume(place.sink("r", "raw.t").await.as_mut(), 30).await;
    assert_eq!(place.ids("raw.t").await, range(30));
    assert_eq!(place.ledger_next().await, 30);
}

#[tokio::test]
async fn a_commit_in_doubt_counts_although_another_writer_claims_before_it_is_read_back() {
    let place = Place::new();
    let mut sink = place.sink("r", "raw.t").await;
    claim(sink.as_mut()).await;
    sink.write(batch(0..10)).await.expect("writes");
    let mut heir = place.sink("r", "raw.t").await;
    let (send, receive) = tokio::sync::oneshot::channel();
    let inherit = async move {
        let next = claim(heir.as_mut()).await;
        send.send((heir, next)).ok().expect("awaited");
    };
    place.faults.add_then(LOG, Fault::After, inherit.boxed());
    let moved = sink.commit().await.expect("the commit is in the table");
    assert_eq!(moved[0].1.epoch, Epoch(1));
    let (mut heir, next) = receive.await.expect("sent");
    assert_eq!(next, 10, "the heir continues after it");
    sink.write(batch(10..20)).await.expect("writes");
    assert!(matches!(sink.commit().await, Err(SinkError::Fenced { theirs: Epoch(2), .. })));
    heir.write(batch(10..30)).await.expect("writes");
    heir.commit().await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(30));
}

#[tokio::test]
async fn a_claim_in_doubt_is_one_claim() {
    let place = Place::new();
    place.faults.add(LOG, Fault::After, 1);
    let mut sink = place.sink("r", "raw.t").await;
    let claimed = sink.claim(&[tp()]).await.expect("claims");
    assert_eq!(claimed[0].1.epoch, Epoch(1));
    place.faults.add(LOG, Fault::Exists, 1);
    let claimed = sink.claim(&[tp()]).await.expect("claims");
    assert_eq!(claimed[0].1.epoch, Epoch(2));
    resume(sink.as_mut(), 10).await;
    assert_eq!(place.ids("raw.t").await, range(10));
}

#[tokio::test]
async fn a_file_that_cannot_be_uploaded_leaves_nothing() {
    let place = Place::new();
    let mut sink = place.sink("r", "raw.t").await;
    resume(sink.as_mut(), 10).await;
    for fault in [Fault::Before, Fault::After] {
        place.faults.add(".parquet", fault, 1);
        sink.write(batch(10..20)).await.expect("writes");
        let outcome = sink.commit().await;
        assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
        assert_eq!(place.data_files("raw.t"), 1, "the orphan is deleted");
        assert_eq!(claim(sink.as_mut()).await, 10);
    }
    resume(sink.as_mut(), 20).await;
    assert_eq!(place.ids("raw.t").await, range(20));
}

/// Rows that do not compress.
fn noise(rows_of: i64) -> RecordBatch {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let wide = (0..rows_of).map(|_| (0..128).flat_map(|_| next()).collect::<Vec<u8>>());
    let noise = FixedSizeBinaryArray::try_from_iter(wide).expect("one width");
    let noise = cast(&noise, &DataType::Binary).expect("binary");
    let id = rows(0..rows_of).column(0).clone();
    RecordBatch::try_from_iter_with_nullable([
        ("id", id, true),
        ("noise", Arc::new(noise) as ArrayRef, true),
    ])
    .expect("consistent")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts_and_a_lost_part_leaves_nothing() {
    let place = Place::new();
    let rows = noise(1024);
    let settings = TableSinkSettings { columns: rows.schema(), ..place.settings("r", "raw.t") };
    let feed = async |sink: &mut dyn Sink| {
        for n in 0..24 {
            sink.write(batch_of(n * 1024..(n + 1) * 1024, rows.clone())).await?;
        }
        sink.commit().await
    };
    let budget = Budget::new("half", 64 << 20);
    let settings = TableSinkSettings { budget: budget.clone(), ..settings };
    let mut sink = place.warehouse().await.table_sink(settings);
    claim(sink.as_mut()).await;
    place.faults.add(".parquet", Fault::Before, 1);
    let outcome = feed(sink.as_mut()).await;
    assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
    assert!(place.faults.are_spent(), "it went in parts");
    assert_eq!((place.data_files("raw.t"), budget.used()), (0, 0));
    claim(sink.as_mut()).await;
    feed(sink.as_mut()).await.expect("commits");
    assert_eq!(place.data_files("raw.t"), 1);
    assert_eq!(place.ids("raw.t").await.len(), 24 * 1024);
    assert_eq!(budget.used(), 0);
}
