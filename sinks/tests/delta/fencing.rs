//! Who may commit: one writer per (route, partition), any number of routes per table.

use std::sync::Arc;

use millrace_events::{Epoch, TopicPartition};
use millrace_sinks::SinkError;

use crate::place::{Place, batch, claim, range, resume, tp};

#[tokio::test]
async fn repeated_claims_continue_where_the_table_ends() {
    let place = Place::new();
    for end in [10, 20, 20, 35] {
        resume(place.sink("r", "raw.t").await.as_mut(), end).await;
        assert_eq!(place.ids("raw.t").await, range(end));
        assert_eq!(place.ledger_next().await, end);
    }
}

#[tokio::test]
async fn a_zombie_commits_nothing_and_leaves_nothing() {
    let place = Place::new();
    let mut zombie = place.sink("r", "raw.t").await;
    resume(zombie.as_mut(), 10).await;
    zombie.write(batch(10..20)).await.expect("writes");
    let mut heir = place.sink("r", "raw.t").await;
    assert_eq!(claim(heir.as_mut()).await, 10);
    let outcome = zombie.commit().await;
    let Err(SinkError::Fenced { tp: fenced, ours, theirs, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((fenced, ours, theirs), (tp(), Epoch(1), Epoch(2)));
    assert_eq!(place.ids("raw.t").await, range(10));
    assert_eq!(place.data_files("raw.t"), 1);
    heir.write(batch(10..30)).await.expect("writes");
    heir.commit().await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(30));
}

#[tokio::test]
async fn one_lost_partition_stops_the_commit_of_all() {
    let place = Place::new();
    let other = TopicPartition::new("topic", 1);
    let mut sink = place.sink("r", "raw.t").await;
    sink.claim(&[tp(), other.clone()]).await.expect("claims");
    sink.write(batch(0..10)).await.expect("writes");
    let mut second = batch(0..10);
    second.tp = other.clone();
    sink.write(second.clone()).await.expect("writes");
    place.sink("r", "raw.t").await.claim(std::slice::from_ref(&other)).await.expect("claims");
    assert!(matches!(sink.commit().await, Err(SinkError::Fenced { .. })));
    assert_eq!(place.ids("raw.t").await, Vec::<i64>::new());
    assert!(sink.write(batch(0..10)).await.is_err(), "it must claim again");
    resume(sink.as_mut(), 10).await;
    assert_eq!(place.ids("raw.t").await, range(10));
}

#[tokio::test]
async fn racing_claims_get_different_epochs() {
    let place = Arc::new(Place::new());
    let mut claims = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let place = place.clone();
        claims.spawn(async move {
            let mut sink = place.sink("r", "raw.t").await;
            sink.claim(&[tp()]).await.expect("claims")[0].1.epoch.0
        });
    }
    let mut epochs = claims.join_all().await;
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=8).collect::<Vec<_>>(), "also the table was created once");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_routes_write_one_table_at_once() {
    const COMMITS: i64 = 50;
    let place = Arc::new(Place::new());
    let mut routes = tokio::task::JoinSet::new();
    for route in ["one", "two"] {
        let place = place.clone();
        routes.spawn(async move {
            let mut sink = place.sink(route, "raw.t").await;
            claim(sink.as_mut()).await;
            for n in 0..COMMITS {
                sink.write(batch(n * 10..(n + 1) * 10)).await.expect("writes");
                sink.commit().await.expect("another route's commits are no conflict");
            }
        });
    }
    routes.join_all().await;
    let twice: Vec<_> = (0..COMMITS * 10).flat_map(|n| [n, n]).collect();
    assert_eq!(place.ids("raw.t").await, twice);
    let rows = place.warehouse().await.audit().await.expect("audits");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.ledger.adds_up() && row.ledger.written == 500), "{rows:?}");
    let names: Vec<_> = rows.iter().map(|row| row.route.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
}
