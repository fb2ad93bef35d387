//! Long logs: checkpoints, entries somebody cleaned up, writers that slept through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millrace_events::{Clock, SystemClock};
use millrace_sinks::{Sink, SinkError};

use crate::place::{Place, batch, claim, filtered, range, resume};

/// A clock that can be put forward.
#[derive(Debug, Default)]
struct Forward {
    machine: SystemClock,
    by_s: AtomicU64,
}

impl Clock for Forward {
    fn now_ms(&self) -> i64 {
        self.machine.now_ms()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() + Duration::from_secs(self.by_s.load(Ordering::Relaxed))
    }
}

/// Commits until a checkpoint exists, then deletes the entries before it, as log retention does.
async fn long_log(place: &Place, route: &str) -> Box<dyn Sink> {
    let mut sink = place.sink(route, "raw.t").await;
    let mut from = claim(sink.as_mut()).await;
    while place.files("raw.t", "00000000000000000100.checkpoint.parquet").is_empty() {
        sink.write(filtered(from..from + 1)).await.expect("writes");
        sink.commit().await.expect("commits");
        from += 1;
        assert!(from < 10_000, "no checkpoint is ever written");
    }
    for entry in place.files("raw.t", ".json") {
        let version =
            entry.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u64>().ok());
        if version.is_some_and(|v| v < 100) {
            std::fs::remove_file(entry).expect("deletes");
        }
    }
    sink
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleaned_up_log_is_read_from_its_checkpoint() {
    let place = Place::new();
    let mut early = place.sink("early", "raw.t").await;
    claim(early.as_mut()).await;
    early.write(batch(0..10)).await.expect("writes");
    early.commit().await.expect("commits");
    let mut long = long_log(&place, "long").await;
    long.release(&[]).await;

    let mut heir = place.sink("early", "raw.t").await;
    assert_eq!(claim(heir.as_mut()).await, 10, "its ledger is in the checkpoint");
    heir.write(batch(10..20)).await.expect("writes");
    heir.commit().await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(20));
    early.write(batch(10..30)).await.expect("writes");
    assert!(early.commit().await.is_err(), "it was fenced meanwhile");
    let audit = place.warehouse().await.audit().await.expect("audits");
    assert_eq!(audit.len(), 2);
    assert!(audit.iter().all(|row| row.ledger.adds_up()), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_through_a_clean_up_does_not_write_into_the_past() {
    let forward = Arc::new(Forward::default());
    let mut place = Place::new();
    place.clock = forward.clone();
    let mut sleeper = place.sink("sleeper", "raw.t").await;
    resume(sleeper.as_mut(), 10).await;
    long_log(&place, "long").await;

    sleeper.write(batch(10..20)).await.expect("writes");
    forward.by_s.store(7 * 24 * 3600, Ordering::Relaxed);
    sleeper.commit().await.expect("commits after the newest version");
    assert_eq!(place.ids("raw.t").await, range(20));
    let mut heir = place.sink("sleeper", "raw.t").await;
    assert_eq!(claim(heir.as_mut()).await, 20);
}

#[tokio::test]
async fn a_log_with_a_hole_is_not_guessed_at() {
    let place = Place::new();
    for end in [10, 20, 30] {
        resume(place.sink("r", "raw.t").await.as_mut(), end).await;
    }
    std::fs::remove_file(&place.files("raw.t", ".json")[2]).expect("deletes");
    let refused = place.sink("r", "raw.t").await.claim(&[crate::place::tp()]).await;
    assert!(matches!(refused, Err(SinkError::Retry { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_table_that_demands_more_than_we_write_is_refused() {
    let place = Place::new();
    resume(place.sink("r", "raw.t").await.as_mut(), 10).await;
    let next = place.files("raw.t", ".json")[0].with_file_name("00000000000000000002.json");
    let protocol = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,
        "readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#;
    std::fs::write(next, protocol.replace('\n', "")).expect("writes");
    let refused = place.sink("r", "raw.t").await.claim(&[crate::place::tp()]).await;
    assert!(matches!(refused, Err(SinkError::Rejected { .. })), "{refused:?}");
}
