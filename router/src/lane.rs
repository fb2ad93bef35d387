//! The shared reader: one thread that polls, decodes once per topic, and passes batches to every
//! route.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use millrace_bus::{BusError, Consumer, FetchLimits, Rebalance};
use millrace_events::{Budget, RawBatch, Step, TopicPartition};

use crate::convert::Shared;
use crate::decode::Decoding;
use crate::feed::{Room, Stand};
use crate::handover::Handover;
use crate::settings::{Membership, RouterSettings};
use crate::status::Board;

/// How long one poll waits for records.
const POLL: Duration = Duration::from_millis(100);
/// The same while a route has no room: it is looked at again soon.
const POLL_STUCK: Duration = Duration::from_millis(5);
/// How long the whole lane waits for room in one route's queue before it goes on without it.
/// Pausing a partition throws away what was prefetched, so a short wait is cheaper.
const ROOM_PATIENCE: Duration = Duration::from_millis(200);
/// Pause before a broken connection is built anew.
const REOPEN: Duration = Duration::from_secs(1);
/// How often lag and progress are reported.
const REPORT: Duration = Duration::from_millis(200);

/// Batches one route had no room for, oldest first.
#[derive(Debug, Default)]
struct Stuck {
    batches: VecDeque<Arc<Shared>>,
    since: Duration,
    /// Whether the route blocked the lane lately; then the lane does not wait for it again.
    known: bool,
}

/// The shared reader.
pub(crate) struct Lane {
    pub(crate) settings: Arc<RouterSettings>,
    pub(crate) handover: Arc<Handover>,
    pub(crate) topics: Vec<String>,
    pub(crate) decoding: Decoding,
    pub(crate) pool: Budget,
    pub(crate) limits: FetchLimits,
    pub(crate) board: Arc<Board>,
    pub(crate) stop: CancellationToken,
}

/// What the reader knows while it is connected.
struct Reading {
    consumer: Consumer,
    started: HashSet<TopicPartition>,
    stuck: Vec<Stuck>,
    paused: HashSet<Arc<str>>,
    reported: Duration,
    /// Whether a poll succeeded: the cluster accepts us.
    polled: bool,
}

impl Lane {
    /// Reads until told to stop. Blocks; owns its thread.
    pub(crate) fn run(mut self) {
        while !self.stop.is_cancelled() {
            let end = self.open().and_then(|mut reading| {
                let end = self.read(&mut reading);
                let mine: Vec<_> = reading.started.iter().cloned().collect();
                let waiting: Vec<_> =
                    self.handover.changes().waiting.iter().map(|w| w.tp.clone()).collect();
                self.handover.release(&[mine, waiting].concat(), true);
                end
            });
            if let Err(e) = end {
                error!(error = %e, "the log cannot be read; trying again");
                self.board.router(|status| {
                    status.broker = Some(e.to_string());
                    status.assigned = false;
                });
                let pause = async { tokio::time::timeout(REOPEN, self.stop.cancelled()).await };
                let _ = self.handover.runtime.block_on(pause);
            }
        }
        info!("the reader stopped");
    }

    fn open(&self) -> Result<Reading, BusError> {
        let listener: Arc<dyn Rebalance> = Arc::clone(&self.handover) as _;
        let (kafka, limits) = (&self.settings.kafka, self.limits);
        let consumer = match &self.settings.membership {
            Membership::Alone => Consumer::alone(kafka, limits, &self.topics, listener)?,
            Membership::Group { id, session_timeout } => {
                Consumer::group(kafka, id, *session_timeout, limits, &self.topics, listener)?
            }
        };
        let stuck = self.handover.links.iter().map(|_| Stuck::default()).collect();
        let (started, paused) = (HashSet::new(), HashSet::new());
        let reported = Duration::ZERO;
        Ok(Reading { consumer, started, stuck, paused, reported, polled: false })
    }

    fn read(&mut self, reading: &mut Reading) -> Result<(), BusError> {
        while !self.stop.is_cancelled() {
            self.forget_gone(reading);
            self.start_partitions(reading)?;
            self.unstick(reading);
            self.report(reading);
            if !self.wait_for_memory() {
                continue;
            }
            let stuck = reading.stuck.iter().any(|s| !s.batches.is_empty());
            let waiting = !self.handover.changes().waiting.is_empty();
            let patience = if stuck || waiting { POLL_STUCK } else { POLL };
            let batches = reading.consumer.poll(patience)?;
            reading.polled = true;
            for raw in batches {
                self.dispatch(reading, raw);
            }
        }
        Ok(())
    }

    /// Drops what is left of partitions that went, so that nothing of it meets their next life
    /// here.
    fn forget_gone(&self, reading: &mut Reading) {
        let gone = std::mem::take(&mut self.handover.changes().gone);
        for tp in &gone {
            reading.started.remove(tp);
            for stuck in &mut reading.stuck {
                stuck.batches.retain(|shared| shared.raw.tp() != tp);
            }
        }
    }

    /// Starts reading the partitions whose routes have said where.
    fn start_partitions(&self, reading: &mut Reading) -> Result<(), BusError> {
        let waiting = self.handover.changes().waiting.clone();
        for w in waiting {
            let links: Vec<_> = self.handover.of_topic(&w.tp.topic).map(|(_, l)| l).collect();
            let waited = self.settings.clock.monotonic().saturating_sub(w.since);
            let claims: Vec<_> = links.iter().filter_map(|l| l.feed.claimed(&w.tp)).collect();
            let patient = waited < self.settings.stall_after;
            if claims.is_empty() || (claims.len() < links.len() && patient) {
                continue;
            }
            let at = match claims.into_iter().min() {
                Some(Stand::At(offset)) => Some(offset),
                _ => None,
            };
            let begins = match reading.consumer.start_at(&w.tp, at) {
                Ok(begins) => begins,
                Err(e @ BusError::Retry { .. }) => {
                    warn!(tp = %w.tp, error = %e, "cannot start reading yet");
                    continue;
                }
                Err(e) => return Err(e),
            };
            info!(tp = %w.tp, offset = %begins, "reading");
            for link in &links {
                link.feed.main_starts(&w.tp, begins);
            }
            if reading.paused.contains(&w.tp.topic) {
                reading.consumer.pause(std::slice::from_ref(&w.tp));
            }
            self.handover.changes().waiting.retain(|other| other.tp != w.tp);
            reading.started.insert(w.tp);
        }
        Ok(())
    }

    /// Whether there is room for another batch; waits a little for it.
    fn wait_for_memory(&self) -> bool {
        let bytes = self.limits.batch_bytes;
        let wait = async { tokio::time::timeout(POLL_STUCK, self.pool.reserve(bytes)).await };
        self.pool.try_reserve(bytes).is_some() || self.handover.runtime.block_on(wait).is_ok()
    }

    fn dispatch(&mut self, reading: &mut Reading, mut raw: RawBatch) {
        self.settings.probe.reached(Step::AfterPoll);
        let tp = raw.tp().clone();
        let bytes = raw.payload_bytes();
        counter!("millrace_router_read_bytes_total", "topic" => tp.topic.to_string())
            .increment(bytes as u64);
        counter!("millrace_router_read_records_total", "topic" => tp.topic.to_string())
            .increment(raw.len() as u64);
        let wanting: Vec<usize> = self
            .handover
            .of_topic(&tp.topic)
            .filter(|(_, link)| link.feed.wants_main(&tp))
            .map(|(i, _)| i)
            .collect();
        let columns = wanting.iter().any(|i| self.handover.links[*i].columns);
        // Columns take about as much again as the text they were decoded from.
        let charged = if columns { bytes * 2 } else { bytes };
        if let Some(mut charge) = self.pool.try_reserve(0) {
            charge.resize(charged);
            raw.charge(charge);
        }
        let shared = self.decoding.share(raw, columns);
        self.settings.probe.reached(Step::AfterDecode);
        for (i, link) in self.handover.of_topic(&tp.topic) {
            if !wanting.contains(&i) {
                link.feed.pass(&shared, None);
                continue;
            }
            let stuck = &mut reading.stuck[i];
            let room = if stuck.batches.is_empty() { self.room(i, stuck, charged) } else { None };
            if room.is_some() {
                link.feed.pass(&shared, room);
            } else {
                if stuck.batches.is_empty() {
                    stuck.since = self.settings.clock.monotonic();
                }
                stuck.batches.push_back(Arc::clone(&shared));
            }
        }
        self.pause_if_stuck(reading, &tp.topic);
    }

    fn room(&self, i: usize, stuck: &mut Stuck, bytes: usize) -> Option<Room> {
        let feed = &self.handover.links[i].feed;
        if let Some(room) = feed.try_room(bytes) {
            return Some(room);
        }
        if stuck.known && self.handover.links.len() > 1 {
            return None;
        }
        let wait = async { tokio::time::timeout(ROOM_PATIENCE, feed.room(bytes)).await };
        let room = self.handover.runtime.block_on(wait).ok().flatten();
        stuck.known = room.is_none();
        room
    }

    fn pause_if_stuck(&self, reading: &mut Reading, topic: &Arc<str>) {
        let stuck =
            self.handover.of_topic(topic).any(|(i, _)| !reading.stuck[i].batches.is_empty());
        if stuck && reading.paused.insert(Arc::clone(topic)) {
            let tps: Vec<_> =
                reading.started.iter().filter(|tp| tp.topic == *topic).cloned().collect();
            reading.consumer.pause(&tps);
        }
    }

    /// Passes on what had no room before; gives a route that blocks others a reader of its own.
    fn unstick(&self, reading: &mut Reading) {
        let now = self.settings.clock.monotonic();
        for (i, link) in self.handover.links.iter().enumerate() {
            let shares = self.handover.of_topic(&link.feed.topic).count() > 1;
            let stuck = &mut reading.stuck[i];
            while let Some(head) = stuck.batches.front() {
                let wanted = link.feed.wants_main(head.raw.tp());
                let room =
                    wanted.then(|| link.feed.try_room(head.raw.payload_bytes() * 2)).flatten();
                let stalled = now.saturating_sub(stuck.since) >= self.settings.stall_after;
                if wanted && room.is_none() && !(stalled && shares) {
                    break;
                }
                if wanted && room.is_none() {
                    warn!(route = %link.feed.route, "the route is slow; it gets a reader of its own");
                }
                link.feed.pass(head, room);
                stuck.batches.pop_front();
            }
        }
        let free: Vec<_> = reading
            .paused
            .iter()
            .filter(|t| self.handover.of_topic(t).all(|(i, _)| reading.stuck[i].batches.is_empty()))
            .cloned()
            .collect();
        for topic in free {
            reading.paused.remove(&topic);
            let tps: Vec<_> =
                reading.started.iter().filter(|tp| tp.topic == topic).cloned().collect();
            reading.consumer.resume(&tps);
        }
    }

    fn report(&self, reading: &mut Reading) {
        let now = self.settings.clock.monotonic();
        if now.saturating_sub(reading.reported) < REPORT && !reading.reported.is_zero() {
            return;
        }
        reading.reported = now;
        for stuck in &mut reading.stuck {
            stuck.known &= !stuck.batches.is_empty();
        }
        let lag: HashMap<_, _> = reading.consumer.lag().into_iter().collect();
        for (tp, lag) in &lag {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            gauge!("millrace_router_lag_records",
                "topic" => tp.topic.to_string(), "partition" => tp.partition.to_string())
            .set(*lag as f64);
        }
        let committed: Vec<_> = reading
            .started
            .iter()
            .filter_map(|tp| Some((tp.clone(), self.board.committed(tp)?)))
            .collect();
        reading.consumer.show_progress(&committed);
        let waiting = self.handover.changes().waiting.len();
        self.board.router(|status| {
            status.lag = lag.into_iter().map(|(tp, lag)| (tp.to_string(), lag)).collect();
            status.waiting = waiting;
            status.reports += 1;
            if reading.polled {
                status.broker = None;
            }
        });
    }
}
