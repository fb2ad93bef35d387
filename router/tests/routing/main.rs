//! A router on a real broker, with sinks that fail and stall on command.

mod sink;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use millrace_events::Offset;
use millrace_sinks::Ledger;

use crate::sink::Place;
use crate::stage::{EVENTS_A_BATCH, Stage};

fn place() -> Arc<Place> {
    Arc::new(Place::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_gets_every_event_once_and_filters_its_own() {
    let stage = Stage::new().await;
    let (all, odd) = (place(), place());
    stage.produce(0..3 * EVENTS_A_BATCH).await;
    let router = stage
        .router(vec![stage.route("all", None, &all), stage.route("odd", Some("n % 2 = 1"), &odd)]);
    stage.produce(3 * EVENTS_A_BATCH..5 * EVENTS_A_BATCH).await;
    all.wait_for(5 * EVENTS_A_BATCH).await;
    odd.wait_for(5 * EVENTS_A_BATCH).await;
    router.stop(Duration::from_secs(10)).await;
    assert_eq!(all.ids(), (0..5 * EVENTS_A_BATCH).collect::<Vec<_>>());
    let odd_ids: Vec<_> = (0..5 * EVENTS_A_BATCH).filter(|n| n % 2 == 1).collect();
    assert_eq!(odd.ids(), odd_ids);
    let filtered: u64 = odd.ledgers().iter().map(|l| l.filtered).sum();
    assert_eq!(filtered, 5 * EVENTS_A_BATCH / 2);
    assert!(odd.ledgers().iter().all(Ledger::adds_up), "{:?}", odd.ledgers());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_sink_stops_only_its_own_route_and_catches_up_later() {
    let stage = Stage::new().await;
    let (good, stalled) = (place(), place());
    stalled.stall();
    let router = stage
        .router(vec![stage.route("good", None, &good), stage.route("stalled", None, &stalled)]);
    let total = 40 * EVENTS_A_BATCH;
    stage.produce(0..total).await;
    good.wait_for(total).await;
    assert_eq!(stalled.ids(), Vec::<u64>::new(), "nothing was committed while it stalled");
    let budget = stage.budget();
    assert!(budget.peak() <= budget.limit(), "{} > {}", budget.peak(), budget.limit());
    stalled.go_on();
    stalled.wait_for(total).await;
    router.stop(Duration::from_secs(10)).await;
    assert_eq!(good.ids(), (0..total).collect::<Vec<_>>());
    assert_eq!(stalled.ids(), (0..total).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_again_and_again_loses_and_doubles_nothing() {
    let stage = Stage::new().await;
    let (good, flaky) = (place(), place());
    flaky.fail_one_in(3);
    let router =
        stage.router(vec![stage.route("good", None, &good), stage.route("flaky", None, &flaky)]);
    let total = 10 * EVENTS_A_BATCH;
    for from in (0..total).step_by(500) {
        stage.produce(from..from + 500).await;
    }
    good.wait_for(total).await;
    flaky.wait_for(total).await;
    router.stop(Duration::from_secs(10)).await;
    assert_eq!(flaky.ids(), (0..total).collect::<Vec<_>>());
    assert!(flaky.failures() > 0, "the fault was injected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_router_goes_on_from_the_ledgers() {
    let stage = Stage::new().await;
    let sink = place();
    let router = stage.router(vec![stage.route("r", None, &sink)]);
    stage.produce(0..1_000).await;
    sink.wait_for(1_000).await;
    router.stop(Duration::from_secs(10)).await;
    stage.produce(1_000..2_000).await;
    let router = stage.router(vec![stage.route("r", None, &sink)]);
    sink.wait_for(2_000).await;
    router.stop(Duration::from_secs(10)).await;
    assert_eq!(sink.ids(), (0..2_000).collect::<Vec<_>>());
    assert!(sink.ledgers().iter().all(|l| l.epoch.0 == 2 && l.first == Some(Offset(0))));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_commits_what_was_written() {
    let stage = Stage::new().await;
    let sink = place();
    let router = stage.router(vec![stage.slow_rolling("r", &sink)]);
    stage.produce(0..1_000).await;
    sink.wait_until_written(1_000).await;
    assert_eq!(sink.ids(), Vec::<u64>::new(), "nothing is due yet");
    router.stop(Duration::from_secs(10)).await;
    assert_eq!(sink.ids(), (0..1_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_do_not_decode_are_dead_lettered_beside_the_good_ones() {
    let stage = Stage::new().await;
    let sink = place();
    let router = stage.router(vec![stage.route("r", None, &sink)]);
    stage.produce(0..100).await;
    stage.produce_bytes(&[b"junk", b"{\"n\": \"text\"}"]).await;
    stage.produce(100..200).await;
    sink.wait_for(202).await;
    router.stop(Duration::from_secs(10)).await;
    assert_eq!(sink.ids(), (0..200).collect::<Vec<_>>());
    assert_eq!(sink.ledgers().iter().map(|l| l.dead).sum::<u64>(), 2);
}
