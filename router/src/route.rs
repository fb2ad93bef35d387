//! One route: claims its partitions, converts and writes what it is fed, commits when the policy
//! says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};

use millrace_events::{Clock, Offset, TopicPartition};
use millrace_sinks::{Ledger, Sink, SinkError};

use crate::backoff::Backoff;
use crate::convert::Converter;
use crate::feed::{Fed, Feed};
use crate::handover::Control;
use crate::roll::{RollFacts, RollPolicy, RollReason};
use crate::status::{Board, PartitionStatus, RouteState};

/// A partition this route writes.
#[derive(Debug)]
struct Owned {
    /// Batches of another claim are not ours.
    claim: u64,
    /// Next offset to write; `None` until the first batch says where the log starts.
    next: Option<Offset>,
    ledger: Ledger,
}

/// A route with its sink. Runs on a thread of its own.
pub(crate) struct RouteTask {
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) converter: Converter,
    pub(crate) roll: RollPolicy,
    pub(crate) feed: Arc<Feed>,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) data: mpsc::Receiver<Fed>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fenced_wait: Duration,
    pub(crate) board: Arc<Board>,
}

/// What changes while a route runs.
struct Writing {
    owned: BTreeMap<TopicPartition, Owned>,
    /// Given to this process, not claimed at the sink (yet, or again).
    unclaimed: BTreeSet<TopicPartition>,
    claims: u64,
    /// When the first row since the last commit was written.
    oldest: Option<Duration>,
    last: Duration,
    backoff: Backoff,
    retry_at: Duration,
}

impl RouteTask {
    /// Runs until the other end of `control` is gone; then commits and gives everything back.
    pub(crate) async fn run(mut self) {
        let mut w = Writing {
            owned: BTreeMap::new(),
            unclaimed: BTreeSet::new(),
            claims: 0,
            oldest: None,
            last: Duration::ZERO,
            backoff: Backoff::default(),
            retry_at: Duration::ZERO,
        };
        let mut tick = tokio::time::interval(self.roll.tick());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(control) => self.obey(&mut w, control).await,
                    None => break,
                },
                _ = tick.tick() => self.tick(&mut w).await,
                Some(fed) = self.data.recv() => self.take(&mut w, fed).await,
            }
        }
        let all: Vec<_> = w.owned.keys().cloned().collect();
        self.release(&mut w, &all, true).await;
        info!(route = %self.converter.route, "the route stopped");
    }

    async fn obey(&mut self, w: &mut Writing, control: Control) {
        match control {
            Control::Claim(partitions) => {
                w.unclaimed.extend(partitions);
                if self.clock.monotonic() >= w.retry_at {
                    self.claim(w).await;
                }
            }
            Control::Release { partitions, commit, done } => {
                self.release(w, &partitions, commit).await;
                let _ = done.send(());
            }
        }
    }

    async fn tick(&mut self, w: &mut Writing) {
        let now = self.clock.monotonic();
        if !w.unclaimed.is_empty() {
            if now >= w.retry_at {
                self.claim(w).await;
            }
        } else if let Some(reason) = self.due(w, now) {
            self.commit(w, reason).await;
        }
    }

    fn due(&self, w: &Writing, now: Duration) -> Option<RollReason> {
        self.roll.decide(RollFacts {
            pending_bytes: self.sink.pending_bytes(),
            age: w.oldest.map(|since| now.saturating_sub(since)),
            idle: now.saturating_sub(w.last),
        })
    }

    /// Becomes the writer of what is not claimed and has it fed from where the ledger stands.
    async fn claim(&mut self, w: &mut Writing) {
        let partitions: Vec<_> = w.unclaimed.iter().cloned().collect();
        let ledgers = match self.sink.claim(&partitions).await {
            Ok(ledgers) => ledgers,
            Err(e) => return self.failed(w, "claim", &e),
        };
        let mut gone = Vec::new();
        for (tp, ledger) in ledgers {
            w.claims += 1;
            w.unclaimed.remove(&tp);
            debug!(route = %self.converter.route, %tp, epoch = %ledger.epoch, next = ?ledger.next, "claimed");
            if self.feed.start(&tp, w.claims, ledger.next) {
                w.owned.insert(tp, Owned { claim: w.claims, next: ledger.next, ledger });
            } else {
                gone.push(tp);
            }
        }
        self.sink.release(&gone).await;
        w.backoff.reset();
        self.show(w, RouteState::Running);
    }

    async fn take(&mut self, w: &mut Writing, fed: Fed) {
        let Some(owned) = w.owned.get_mut(&fed.tp).filter(|o| o.claim == fed.claim) else { return };
        let range = fed.shared.raw.range();
        if let Some(next) = owned.next.filter(|next| range.from > *next) {
            let gap = format!("{}: fed from {} where {next} is next", fed.tp, range.from);
            return self.failed(w, "read", &SinkError::retry(gap, "offsets were skipped"));
        }
        let Some(batch) = self.converter.convert(&fed.shared, owned.next) else { return };
        owned.next = Some(range.next);
        if let Err(e) = self.sink.write(batch).await {
            return self.failed(w, "write", &e);
        }
        let now = self.clock.monotonic();
        w.oldest.get_or_insert(now);
        w.last = now;
        if let Some(reason) = self.due(w, now) {
            self.commit(w, reason).await;
        } else {
            self.show(w, RouteState::Running);
        }
    }

    async fn commit(&mut self, w: &mut Writing, reason: RollReason) {
        let started = self.clock.monotonic();
        let moved = match self.sink.commit().await {
            Ok(moved) => moved,
            Err(e) => return self.failed(w, "commit", &e),
        };
        let took = self.clock.monotonic().saturating_sub(started);
        let route = self.converter.route.to_string();
        histogram!("millrace_router_commit_seconds", "route" => route.clone()).record(took);
        debug!(route, ?reason, ?took, partitions = moved.len(), "committed");
        w.oldest = None;
        for (tp, ledger) in moved {
            assert!(ledger.adds_up(), "{route}: {tp}: {ledger:?} does not add up");
            debug!(route, %tp, next = ?ledger.next, written = ledger.written, "offsets committed");
            let Some(owned) = w.owned.get_mut(&tp) else { continue };
            let count = |outcome: &'static str, now: u64, before: u64| {
                counter!("millrace_router_events_total",
                    "route" => route.clone(), "outcome" => outcome)
                .increment(now.saturating_sub(before));
            };
            count("written", ledger.written, owned.ledger.written);
            count("filtered", ledger.filtered, owned.ledger.filtered);
            count("dead_lettered", ledger.dead, owned.ledger.dead);
            owned.ledger = ledger;
        }
        w.backoff.reset();
        self.show(w, RouteState::Running);
        self.board.route(&self.converter.route, |status| status.commits += 1);
    }

    /// The sink refused: nothing is fed until every partition has been claimed again.
    fn failed(&mut self, w: &mut Writing, what: &'static str, e: &SinkError) {
        self.feed.stop();
        let owned = std::mem::take(&mut w.owned);
        w.unclaimed.extend(owned.into_keys());
        w.oldest = None;
        let (kind, wait) = match e {
            SinkError::Fenced { .. } | SinkError::Superseded { .. } => ("fenced", self.fenced_wait),
            SinkError::Rejected { .. } => ("rejected", w.backoff.longest()),
            SinkError::Retry { .. } => ("retry", w.backoff.next()),
        };
        w.retry_at = self.clock.monotonic() + wait;
        let route = self.converter.route.to_string();
        counter!("millrace_router_failures_total", "route" => route.clone(), "kind" => kind)
            .increment(1);
        if matches!(e, SinkError::Rejected { .. }) {
            error!(route, what, error = %e, ?wait, "the sink refuses");
        } else {
            warn!(route, what, error = %e, ?wait, "the sink failed; claiming again");
        }
        let attempts = w.backoff.attempts();
        self.show(w, RouteState::Failing { error: e.to_string(), attempts });
    }

    async fn release(&mut self, w: &mut Writing, partitions: &[TopicPartition], commit: bool) {
        let ours = partitions.iter().any(|tp| w.owned.contains_key(tp));
        if ours && w.oldest.is_some() {
            if commit {
                self.commit(w, RollReason::Age).await;
            } else {
                // What is written of the others goes with it: they are read again from their
                // ledgers.
                self.sink.abort().await;
                self.feed.stop();
                w.unclaimed.extend(std::mem::take(&mut w.owned).into_keys());
                w.oldest = None;
            }
        }
        self.sink.release(partitions).await;
        for tp in partitions {
            w.owned.remove(tp);
            w.unclaimed.remove(tp);
        }
        self.show(w, RouteState::Running);
    }

    fn show(&self, w: &Writing, state: RouteState) {
        self.board.route(&self.converter.route, |status| {
            let done = w.unclaimed.is_empty() || state != RouteState::Running;
            status.state = if done { state } else { RouteState::Starting };
            status.partitions = w
                .owned
                .iter()
                .map(|(tp, o)| (tp.to_string(), PartitionStatus { ledger: o.ledger, next: o.next }))
                .collect();
        });
    }
}
