//! A sink in memory that stalls and fails when told to, with the same contract as the real ones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use tokio::sync::Notify;

use millrace_events::{Epoch, TopicPartition};
use millrace_sinks::{Ledger, Progress, Records, Sink, SinkBatch, SinkError};

/// How often a waiting test looks.
const LOOK: Duration = Duration::from_millis(10);
/// Far longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
struct Store {
    ledgers: HashMap<TopicPartition, Ledger>,
    ids: Vec<u64>,
}

/// What a sink and the test share: the destination.
#[derive(Debug, Default)]
pub(crate) struct Place {
    store: Mutex<Store>,
    stalled: AtomicBool,
    going_on: Notify,
    /// One commit in so many fails, and one write in sixteen times as many, scattered; 0 never.
    fail_one_in: AtomicU64,
    calls: AtomicU64,
    failures: AtomicU64,
    written: AtomicU64,
}

impl Place {
    pub(crate) fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }

    pub(crate) fn go_on(&self) {
        self.stalled.store(false, Ordering::SeqCst);
        self.going_on.notify_waiters();
    }

    pub(crate) fn fail_one_in(&self, n: u64) {
        self.fail_one_in.store(n, Ordering::SeqCst);
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    /// Committed ids, sorted; a doubled one appears twice.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let mut ids = self.store.lock().expect("no panic").ids.clone();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn ledgers(&self) -> Vec<Ledger> {
        self.store.lock().expect("no panic").ledgers.values().copied().collect()
    }

    /// Waits until the ledgers account for `events`; gives up, with the ledgers, when nothing has
    /// moved for [`PATIENCE`].
    pub(crate) async fn wait_for(&self, events: u64) {
        let accounted = |l: &Ledger| l.written + l.filtered + l.dead;
        let (mut last, mut still) = (0, Duration::ZERO);
        loop {
            let now = self.ledgers().iter().map(accounted).sum::<u64>();
            if now >= events {
                return;
            }
            still = if now == last { still + LOOK } else { Duration::ZERO };
            last = now;
            assert!(still < PATIENCE, "{now} of {events} events: {:?}", self.ledgers());
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(crate) async fn wait_until_written(&self, events: u64) {
        while self.written.load(Ordering::SeqCst) < events {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn step(&self, rarer: u64) -> Result<(), SinkError> {
        loop {
            let going_on = self.going_on.notified();
            if !self.stalled.load(Ordering::SeqCst) {
                break;
            }
            going_on.await;
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let one_in = self.fail_one_in.load(Ordering::SeqCst) * rarer;
        // Scattered by a multiplicative hash: a fixed beat could hit every commit and none would
        // pass.
        let scattered = call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        if one_in > 0 && scattered.is_multiple_of(one_in) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(SinkError::retry("write", "told to fail"));
        }
        Ok(())
    }
}

/// A writer to a place.
#[derive(Debug)]
pub(crate) struct MemorySink {
    place: Arc<Place>,
    owned: HashMap<TopicPartition, Epoch>,
    pending: HashMap<TopicPartition, Progress>,
    ids: Vec<u64>,
}

impl MemorySink {
    pub(crate) fn new(place: &Arc<Place>) -> Self {
        Self {
            place: Arc::clone(place),
            owned: HashMap::new(),
            pending: HashMap::new(),
            ids: Vec::new(),
        }
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.ids.clear();
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let mut store = self.place.store.lock().expect("no panic");
        let claimed = partitions.iter().map(|tp| {
            let ledger = store.ledgers.entry(tp.clone()).or_default();
            ledger.epoch.0 += 1;
            (tp.clone(), *ledger)
        });
        let claimed: Vec<_> = claimed.collect();
        self.owned.extend(claimed.iter().map(|(tp, l)| (tp.clone(), l.epoch)));
        Ok(claimed)
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.owned.remove(tp);
        }
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError> {
        if let Err(e) = self.place.step(16).await {
            self.forget();
            return Err(e);
        }
        let Records::Columns(rows) = &batch.records else { panic!("routes here deliver columns") };
        let n = rows.column_by_name("n").expect("the stream's column").as_primitive::<Int64Type>();
        self.ids.extend(n.values().iter().map(|n| u64::try_from(*n).expect("ids are positive")));
        self.place.written.fetch_add(batch.progress.written, Ordering::SeqCst);
        self.pending
            .entry(batch.tp)
            .and_modify(|p| *p = p.then(&batch.progress))
            .or_insert(batch.progress);
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.ids.len() * 8
    }

    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        if let Err(e) = self.place.step(1).await {
            self.forget();
            return Err(e);
        }
        let mut store = self.place.store.lock().expect("no panic");
        let mut moved = Vec::new();
        for (tp, progress) in self.pending.drain() {
            let ledger = store.ledgers.get_mut(&tp).expect("claimed before");
            assert_eq!(Some(&ledger.epoch), self.owned.get(&tp), "{tp} belongs to another writer");
            assert!(ledger.next.is_none_or(|n| n == progress.range.from), "{tp}: {progress:?}");
            *ledger = ledger.after(&progress);
            moved.push((tp, *ledger));
        }
        store.ids.append(&mut self.ids);
        Ok(moved)
    }

    async fn abort(&mut self) {
        self.forget();
    }
}
