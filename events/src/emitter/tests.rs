//! Nothing is lost and keys keep their order, whatever the broker does.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::SystemClock;

/// A broker that follows a script: each call acknowledges so many records and drops the rest; when
/// the script is over, all of them or none.
#[derive(Debug, Default)]
struct Broker {
    script: Mutex<Vec<usize>>,
    up: Mutex<bool>,
    log: Mutex<Vec<Outgoing>>,
}

impl Broker {
    fn new(up: bool, script: Vec<usize>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script), up: Mutex::new(up), log: Mutex::default() })
    }

    fn set_up(&self, up: bool) {
        *self.up.lock().expect("not poisoned") = up;
    }

    fn values(&self) -> Vec<String> {
        let text =
            |r: &Outgoing| String::from_utf8_lossy(r.value.as_ref().expect("set")).into_owned();
        self.log.lock().expect("not poisoned").iter().map(text).collect()
    }
}

#[async_trait]
impl Transport for Broker {
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        tokio::task::yield_now().await;
        let all = if *self.up.lock().expect("not poisoned") { usize::MAX } else { 0 };
        let limit = self.script.lock().expect("not poisoned").pop().unwrap_or(all);
        let mut log = self.log.lock().expect("not poisoned");
        let taken = |(i, record): (usize, Outgoing)| {
            if i >= limit {
                return Err(SendError::Unavailable("down".to_owned()));
            }
            if record.value.as_deref() == Some(b"too large") {
                return Err(SendError::Rejected("too large".to_owned()));
            }
            log.push(record);
            Ok(())
        };
        records.into_iter().enumerate().map(taken).collect()
    }
}

fn event(key: &str, value: impl Into<String>) -> Outgoing {
    Outgoing {
        topic: "t".into(),
        partition: None,
        key: Some(Bytes::from(key.to_owned())),
        value: Some(Bytes::from(value.into())),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

fn quick(spool: Option<&Path>) -> EmitterSettings {
    EmitterSettings {
        linger: Duration::from_millis(1),
        retry: Duration::from_millis(1),
        spool: spool.map(SpoolSettings::new),
        ..EmitterSettings::default()
    }
}

async fn start(broker: &Arc<Broker>, settings: EmitterSettings) -> Emitter {
    Emitter::start(broker.clone(), Arc::new(SystemClock::default()), settings)
        .await
        .expect("starts")
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

#[tokio::test]
async fn every_event_has_an_id_and_a_time() {
    let broker = Broker::new(true, vec![]);
    let emitter = start(&broker, quick(None)).await;
    let mut named = event("k", "0");
    named
        .headers
        .push(Header { name: ID_HEADER.to_owned(), value: Some(Bytes::from_static(b"mine")) });
    assert_eq!(emitter.emit(named).await.expect("taken"), "mine");
    let made = emitter.emit(event("k", "1")).await.expect("taken");
    assert_eq!(emitter.shutdown().await.expect("delivered").acknowledged, 2);
    let log = broker.log.lock().expect("not poisoned");
    let ids: Vec<_> = log.iter().filter_map(|r| header_id(&r.headers)).collect();
    assert_eq!(ids, ["mine", made.as_str()]);
    assert!(log.iter().all(|r| r.timestamp_ms.is_some()));
}

#[tokio::test]
async fn events_of_one_call_are_taken_together_and_keep_their_order() {
    // The first two sendings are acknowledged in part.
    let broker = Broker::new(true, vec![7, 2]);
    let emitter = start(&broker, quick(None)).await;
    let events = |range| numbers(range).into_iter().map(|value| event("k", value)).collect();
    emitter.emit(event("k", "0")).await.expect("taken");
    emitter.emit_all(events(1..40)).await.expect("taken");
    emitter.emit_all(Vec::new()).await.expect("nothing is taken");
    emitter.emit(event("k", "40")).await.expect("taken");
    assert_eq!(emitter.shutdown().await.expect("delivered").acknowledged, 41);
    assert_eq!(broker.values(), numbers(0..41));
    let log = broker.log.lock().expect("not poisoned");
    let ids: std::collections::BTreeSet<_> =
        log.iter().filter_map(|record| header_id(&record.headers)).collect();
    assert_eq!(ids.len(), 41, "each has an id of its own");
    assert!(log.iter().all(|record| record.timestamp_ms.is_some()));
}

#[tokio::test]
async fn a_queue_without_room_for_all_takes_none() {
    let broker = Broker::new(false, vec![]);
    let settings = EmitterSettings {
        queue_bytes: 2_000,
        when_full: WhenFull::Refuse,
        grace: Duration::ZERO,
        ..quick(None)
    };
    let emitter = start(&broker, settings).await;
    let events = |range| numbers(range).into_iter().map(|value| event("k", value)).collect();
    emitter.emit_all(events(0..5)).await.expect("taken");
    let refused = emitter.emit_all(events(5..25)).await.expect_err("there is no room");
    assert!(matches!(refused, EmitError::Full { limit: 2_000 }), "{refused}");
    broker.set_up(true);
    assert_eq!(emitter.flush().await.expect("flushed").acknowledged, 5);
    assert_eq!(broker.values(), numbers(0..5));
    emitter.shutdown().await.expect("nothing undelivered");
}

#[tokio::test]
async fn a_spool_outlives_its_emitter_and_goes_first() {
    let dir = tempfile::tempdir().expect("tempdir");
    let broker = Broker::new(false, vec![]);
    let emitter = start(&broker, quick(Some(dir.path()))).await;
    for value in numbers(0..100) {
        emitter.emit(event("k", value)).await.expect("taken");
    }
    assert_eq!(emitter.flush().await.expect("flushed").spooled, 100);
    assert_eq!(emitter.shutdown().await.expect("on disk").spooled, 100);
    assert_eq!(broker.values().len(), 0);

    broker.set_up(true);
    let emitter = start(&broker, quick(Some(dir.path()))).await;
    emitter.emit(event("k", "100")).await.expect("taken");
    let stats = emitter.shutdown().await.expect("delivered");
    assert_eq!((stats.acknowledged, stats.spooled), (101, 0));
    assert_eq!(broker.values(), numbers(0..101));
}

#[tokio::test]
async fn a_full_disk_holds_the_service_back_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let broker = Broker::new(false, vec![]);
    let spool = SpoolSettings { dir: dir.path().into(), max_bytes: 4_000, segment_bytes: 1_000 };
    let settings = EmitterSettings {
        spool: Some(spool),
        queue_bytes: 4_000,
        when_full: WhenFull::Refuse,
        ..quick(None)
    };
    let emitter = start(&broker, settings).await;
    let mut taken = 0;
    // Disk and queue together have room for far fewer than the loop offers.
    loop {
        match emitter.emit(event("k", taken.to_string())).await {
            Ok(_) => taken += 1,
            Err(EmitError::Full { .. }) if emitter.stats().spooled > 0 => break,
            Err(EmitError::Full { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(taken < 1_000, "the bounds do not hold");
        tokio::task::yield_now().await;
    }
    let files = std::fs::read_dir(dir.path()).expect("readable");
    let sizes = files.map(|f| f.expect("readable").metadata().expect("readable").len());
    assert!(sizes.sum::<u64>() <= 4_000 + 100, "segments, cursor and lock");
    broker.set_up(true);
    emitter.shutdown().await.expect("delivered");
    assert_eq!(broker.values(), numbers(0..taken));
}

#[tokio::test]
async fn a_refused_event_is_told_and_holds_nobody_up() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let broker = Broker::new(true, vec![]);
    let on_rejected: OnRejected = {
        let told = told.clone();
        Arc::new(move |record, error| {
            told.lock().expect("ok").push((record.value.clone(), error.clone()));
        })
    };
    let emitter =
        start(&broker, EmitterSettings { on_rejected: Some(on_rejected), ..quick(None) }).await;
    for value in ["0", "too large", "1"] {
        emitter.emit(event("k", value)).await.expect("taken");
    }
    let stats = emitter.shutdown().await.expect("nothing undelivered");
    assert_eq!((stats.acknowledged, stats.rejected), (2, 1));
    assert_eq!(broker.values(), numbers(0..2));
    let told = told.lock().expect("ok");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0.as_deref(), Some(&b"too large"[..]));
}

#[tokio::test]
async fn without_a_disk_events_wait_in_memory_and_shutdown_says_what_it_gave_up() {
    let broker = Broker::new(false, vec![]);
    let emitter = start(&broker, quick(None)).await;
    emitter.emit(event("k", "0")).await.expect("taken");
    broker.set_up(true);
    assert_eq!(emitter.flush().await.expect("flushed").acknowledged, 1);
    emitter.shutdown().await.expect("nothing undelivered");

    broker.set_up(false);
    let emitter = start(&broker, EmitterSettings { grace: Duration::ZERO, ..quick(None) }).await;
    for value in numbers(1..4) {
        emitter.emit(event("k", value)).await.expect("taken");
    }
    let gave_up = emitter.shutdown().await.expect_err("the broker is away");
    assert!(matches!(gave_up, EmitError::Undelivered { events: 3 }), "{gave_up}");
}

#[tokio::test]
async fn a_hurried_shutdown_leaves_events_on_disk() {
    let dir = tempfile::tempdir().expect("tempdir");
    let broker = Broker::new(false, vec![]);
    let settings = EmitterSettings { grace: Duration::ZERO, ..quick(Some(dir.path())) };
    let emitter = start(&broker, settings).await;
    for value in numbers(0..50) {
        emitter.emit(event("k", value)).await.expect("taken");
    }
    assert_eq!(emitter.shutdown().await.expect("on disk").spooled, 50);
    broker.set_up(true);
    let emitter = start(&broker, quick(Some(dir.path()))).await;
    assert_eq!(emitter.shutdown().await.expect("delivered").acknowledged, 50);
    assert_eq!(broker.values(), numbers(0..50));
}

#[tokio::test]
async fn a_second_emitter_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let broker = Broker::new(true, vec![]);
    let first = start(&broker, quick(Some(dir.path()))).await;
    let clock = Arc::new(SystemClock::default());
    let second = Emitter::start(broker.clone(), clock, quick(Some(dir.path()))).await;
    assert!(matches!(second, Err(EmitError::Spool { .. })));
    first.shutdown().await.expect("closed");
    start(&broker, quick(Some(dir.path()))).await.shutdown().await.expect("free again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn nothing_is_lost_or_reordered_whatever_the_broker_takes(
        script in prop::collection::vec(0..9_usize, 0..30),
        restarts in prop::collection::vec(1..40_u32, 1..4),
        batch_bytes in 1..2_000_usize,
    ) {
        let dir = tempfile::tempdir().expect("tempdir");
        let broker = Broker::new(true, script);
        let mut emitted = 0;
        run(async {
            for events in restarts {
                let settings = EmitterSettings { batch_bytes, ..quick(Some(dir.path())) };
                let emitter = start(&broker, settings).await;
                for n in emitted..emitted + events {
                    let key = (n % 3).to_string();
                    emitter.emit(event(&key, format!("{n}"))).await.expect("taken");
                }
                emitted += events;
                emitter.shutdown().await.expect("delivered or on disk");
            }
            // What the script left on disk goes out once the broker takes everything.
            broker.script.lock().expect("not poisoned").clear();
            let last = start(&broker, quick(Some(dir.path()))).await;
            assert_eq!(last.shutdown().await.expect("delivered").spooled, 0);
        });
        let mut keys = BTreeMap::<_, Vec<u32>>::new();
        for record in broker.log.lock().expect("not poisoned").iter() {
            let value = std::str::from_utf8(record.value.as_ref().expect("set")).expect("a number");
            keys.entry(record.key.clone()).or_default().push(value.parse().expect("a number"));
        }
        prop_assert!(keys.values().all(|values| values.is_sorted_by(|a, b| a < b)));
        prop_assert_eq!(keys.values().map(Vec::len).sum::<usize>(), emitted as usize);
    }
}
