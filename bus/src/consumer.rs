//! Reads topics as batches per partition, each stamped with the offsets it accounts for.

mod alone;
mod config;
mod context;
mod native;
mod slots;

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};

use millrace_events::{Offset, RawBatch, TopicPartition};

use crate::error::needs_an_operator;
use crate::{BusError, KafkaSettings};

use alone::Lookout;
use context::{Change, Context};
use native::{Native, Polled};
use slots::Slots;

/// How long a question to the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much a consumer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Bytes fetched ahead, over all partitions. One fetch answer can come on top.
    pub queue_bytes: usize,
    /// Bytes one `poll` returns over all its batches; one record can come on top.
    pub batch_bytes: usize,
}

/// Is told which partitions come and go, from inside [`Consumer::poll`] and from its drop.
pub trait Rebalance: Send + Sync {
    /// These are ours now; each delivers nothing before [`Consumer::start_at`].
    fn assigned(&self, partitions: &[TopicPartition]);
    /// These go to somebody else when this returns: finish with them first. Blocking is allowed, up
    /// to the group's `max.poll.interval.ms` (5 minutes).
    fn revoked(&self, partitions: &[TopicPartition]);
    /// These are already somebody else's: whatever is not committed is theirs to do again.
    fn lost(&self, partitions: &[TopicPartition]);
}

enum Membership {
    /// In a consumer group.
    Group { ours: HashSet<TopicPartition> },
    /// The only reader: every partition is ours.
    Alone(Lookout),
    /// Partitions are chosen by the owner.
    Manual,
}

/// Reads topics. Partitions are announced to a [`Rebalance`] listener, started with
/// [`start_at`](Self::start_at), and delivered by [`poll`](Self::poll).
///
/// It is a blocking client for one thread. Dropping a group member leaves the group, which
/// announces its partitions as revoked first.
pub struct Consumer {
    native: Native,
    /// Asks where logs begin and end, over a connection of its own: on the reader's, a question
    /// waits behind the fetch that is waiting for records, a tenth of a second for every partition.
    asker: OnceCell<BaseConsumer<Context>>,
    config: ClientConfig,
    membership: Membership,
    slots: Slots,
    /// What the library fetches. In a group, a stopped partition stays here, paused: letting go of
    /// it while a revocation waits in the queue would confirm that revocation before its listener
    /// ran.
    fetched: HashSet<TopicPartition>,
    paused: HashSet<TopicPartition>,
    /// Partitions whose fetch offset is not in the log.
    displaced: Vec<TopicPartition>,
    batch_bytes: usize,
    hiccups: u64,
}

impl Consumer {
    /// A member of consumer group `group_id` (cooperative-sticky, no automatic commits).
    pub fn group(
        settings: &KafkaSettings,
        group_id: &str,
        session_timeout: Duration,
        limits: FetchLimits,
        topics: &[String],
        listener: Arc<dyn Rebalance>,
    ) -> Result<Self, BusError> {
        let config = config::group(settings, group_id, session_timeout, limits)?;
        let membership = Membership::Group { ours: HashSet::new() };
        let consumer = Self::create(&config, membership, limits, Some(listener))?;
        let names: Vec<_> = topics.iter().map(String::as_str).collect();
        let what = || format!("subscribe to {}", names.join(", "));
        consumer.client().subscribe(&names).map_err(|e| BusError::of(what(), e))?;
        Ok(consumer)
    }

    /// The only reader of `topics`: the first `poll` that reaches the broker announces every
    /// partition as assigned, later ones announce partitions and topics that were added.
    pub fn alone(
        settings: &KafkaSettings,
        limits: FetchLimits,
        topics: &[String],
        listener: Arc<dyn Rebalance>,
    ) -> Result<Self, BusError> {
        let config = config::alone(settings, limits)?;
        let lookout = Lookout::new(topics);
        Self::create(&config, Membership::Alone(lookout), limits, Some(listener))
    }

    /// Reads the partitions `start_at` names.
    pub fn manual(settings: &KafkaSettings, limits: FetchLimits) -> Result<Self, BusError> {
        Self::create(&config::alone(settings, limits)?, Membership::Manual, limits, None)
    }

    fn create(
        config: &ClientConfig,
        membership: Membership,
        limits: FetchLimits,
        listener: Option<Arc<dyn Rebalance>>,
    ) -> Result<Self, BusError> {
        let client: BaseConsumer<Context> = config
            .create_with_context(Context { listener })
            .map_err(|e| BusError::refused(format!("the Kafka settings are not accepted: {e}")))?;
        Ok(Self {
            native: Native::new(client),
            asker: OnceCell::new(),
            config: config.clone(),
            membership,
            slots: Slots::default(),
            fetched: HashSet::new(),
            paused: HashSet::new(),
            displaced: Vec::new(),
            batch_bytes: limits.batch_bytes.max(1),
            hiccups: 0,
        })
    }

    fn client(&self) -> &BaseConsumer<Context> {
        self.native.client()
    }

    /// Starts delivering `tp` at `at`, or at the start of the log for `None`; returns that offset.
    ///
    /// If retention deleted `at`, reading starts at the start of the log and the first batch's
    /// range still begins at `at`, so that the missing offsets show up as a gap. An `at` beyond the
    /// end of the log is refused: the topic was truncated or is another one of the same name.
    pub fn start_at(
        &mut self,
        tp: &TopicPartition,
        at: Option<Offset>,
    ) -> Result<Offset, BusError> {
        if let Membership::Group { ours } = &self.membership
            && !ours.contains(tp)
        {
            return Err(BusError::refused(format!("{tp} is not assigned to this consumer")));
        }
        let (low, high) = self.watermarks(tp)?;
        let from = at.unwrap_or(low);
        if from > high {
            return Err(beyond_the_end(tp, from, high));
        }
        self.fetch_from(tp, from.max(low))?;
        self.slots.start(tp.clone(), from, high);
        Ok(from)
    }

    fn asker(&self) -> Result<&BaseConsumer<Context>, BusError> {
        if let Some(asker) = self.asker.get() {
            return Ok(asker);
        }
        let made = self.config.create_with_context(Context { listener: None });
        let made = made.map_err(|e| BusError::of("ask where logs begin", e))?;
        Ok(self.asker.get_or_init(|| made))
    }

    fn watermarks(&self, tp: &TopicPartition) -> Result<(Offset, Offset), BusError> {
        let answer = self.asker()?.fetch_watermarks(&tp.topic, tp.partition.0, PATIENCE);
        let (low, high) = answer.map_err(|e| BusError::of(format!("ask where {tp} begins"), e))?;
        Ok((Offset(low), Offset(high)))
    }

    /// Makes the library fetch `tp` from `offset` and forget what it had fetched before.
    fn fetch_from(&mut self, tp: &TopicPartition, offset: Offset) -> Result<(), BusError> {
        let list = |at| {
            let mut list = TopicPartitionList::new();
            let _ = list.add_partition_offset(&tp.topic, tp.partition.0, at);
            list
        };
        let client = self.native.client();
        let mut moved = false;
        if self.fetched.contains(tp) {
            // Resume before the seek, so that the seek is the last word on the position.
            let _ = client.resume(&list(At::Invalid));
            moved = client.seek(&tp.topic, tp.partition.0, At::Offset(offset.0), PATIENCE).is_ok();
            if !moved {
                // After an offset error the library does not fetch and cannot seek: start over.
                let _ = client.incremental_unassign(&list(At::Invalid));
            }
        }
        if !moved {
            client
                .incremental_assign(&list(At::Offset(offset.0)))
                .map_err(|e| BusError::fatal(format!("fetch {tp} from {offset}"), e))?;
            self.fetched.insert(tp.clone());
        }
        if self.paused.contains(tp) {
            let _ = self.client().pause(&list(At::Invalid));
        }
        Ok(())
    }

    /// Delivers nothing more of `tp` until `start_at`.
    pub fn stop(&mut self, tp: &TopicPartition) {
        self.slots.stop(tp);
        self.displaced.retain(|d| d != tp);
        if !self.fetched.contains(tp) {
            return;
        }
        if matches!(self.membership, Membership::Group { .. }) {
            let _ = self.client().pause(&named(std::slice::from_ref(tp)));
        } else {
            let _ = self.client().incremental_unassign(&named(std::slice::from_ref(tp)));
            self.fetched.remove(tp);
        }
    }

    /// Takes what is there, waiting up to `timeout` for the first record; empty when nothing came.
    ///
    /// Calls the [`Rebalance`] listener when partitions move. Failures the library recovers from by
    /// itself are logged and counted (see [`hiccups`](Self::hiccups)); an error means this consumer
    /// is done.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<RawBatch>, BusError> {
        let deadline = Instant::now() + timeout;
        self.look_out();
        self.replace_displaced()?;
        let mut wait = timeout;
        while self.slots.bytes() < self.batch_bytes {
            let slots = &mut self.slots;
            // The common case is served without leaving the closure: the record is borrowed.
            let event = self.native.poll(wait, |client, polled| match polled {
                Polled::Record { place, topic, record } => {
                    slots.push(place, topic, record);
                    None
                }
                Polled::Moved { change, partitions } => {
                    // What was collected of them in this call must not outlive the hand-over.
                    for tp in &partitions {
                        slots.stop(tp);
                    }
                    client.context().moved(client, change, &partitions);
                    Some(Event::Moved(change, partitions))
                }
                Polled::End { tp, offset } => {
                    slots.reached_end(&tp, offset);
                    None
                }
                Polled::OutOfRange { tp } => Some(Event::Displaced(tp)),
                Polled::Failed { code, fatal, tp, reason } => {
                    Some(Event::Failed { code, fatal, tp, reason })
                }
                Polled::Noise => None,
            });
            match event {
                None => break,
                Some(Some(event)) => self.handle(event)?,
                Some(None) => {}
            }
            wait = if self.slots.bytes() > 0 {
                Duration::ZERO
            } else {
                deadline.saturating_duration_since(Instant::now())
            };
        }
        Ok(self.slots.cut())
    }

    fn handle(&mut self, event: Event) -> Result<(), BusError> {
        match event {
            Event::Moved(change, partitions) => {
                let Membership::Group { ours } = &mut self.membership else { return Ok(()) };
                for tp in partitions {
                    self.paused.remove(&tp);
                    self.fetched.remove(&tp);
                    self.displaced.retain(|d| *d != tp);
                    match change {
                        Change::Assigned => ours.insert(tp),
                        Change::Revoked => ours.remove(&tp),
                    };
                }
            }
            Event::Displaced(tp) => self.displaced.push(tp),
            Event::Failed { code, fatal, tp, reason } => self.failed(code, fatal, tp, reason)?,
        }
        Ok(())
    }

    fn failed(
        &mut self,
        code: Code,
        fatal: bool,
        tp: Option<TopicPartition>,
        reason: String,
    ) -> Result<(), BusError> {
        let what = tp.map_or_else(|| "read".to_owned(), |tp| format!("read {tp}"));
        if fatal {
            return Err(BusError::fatal(what, reason));
        }
        // Without a group its coordinator does not matter.
        let needless = code == Code::GroupAuthorizationFailed
            && !matches!(self.membership, Membership::Group { .. });
        if needs_an_operator(code) && !needless {
            return Err(BusError::of_code(format!("{what}: {reason}"), code));
        }
        self.hiccups += 1;
        tracing::warn!(target: "kafka", ?code, what, "{reason}");
        Ok(())
    }

    /// Alone: announces partitions that appeared.
    fn look_out(&mut self) {
        let Membership::Alone(lookout) = &mut self.membership else { return };
        let found = lookout.look(self.native.client());
        if let Some(listener) = &self.native.client().context().listener
            && !found.is_empty()
        {
            listener.assigned(&found);
        }
    }

    /// Moves partitions whose offset is gone to the start of the log; the gap shows in the next
    /// range.
    fn replace_displaced(&mut self) -> Result<(), BusError> {
        for tp in std::mem::take(&mut self.displaced) {
            let Some(position) = self.slots.position(&tp) else { continue };
            match self.watermarks(&tp) {
                Ok((_, high)) if position > high => {
                    return Err(beyond_the_end(&tp, position, high));
                }
                Ok((low, _)) => {
                    tracing::warn!(target: "kafka", %tp, %position, start = %low, "records are gone");
                    self.fetch_from(&tp, position.max(low))?;
                }
                Err(BusError::Retry { what, source }) => {
                    tracing::warn!(target: "kafka", %source, "{what}");
                    self.displaced.push(tp);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stops fetching `partitions`; they keep their position. Also valid before `start_at`.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.paused.extend(partitions.iter().cloned());
        let fetched = self.of_fetched(partitions);
        let _ = self.client().pause(&named(&fetched));
    }

    /// Goes on where `pause` left off.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.paused.remove(tp);
        }
        let mut fetched = self.of_fetched(partitions);
        // In a group a stopped partition is paused; resuming it is up to `start_at`.
        fetched.retain(|tp| self.slots.position(tp).is_some());
        let _ = self.client().resume(&named(&fetched));
    }

    fn of_fetched(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        partitions.iter().filter(|tp| self.fetched.contains(tp)).cloned().collect()
    }

    /// Offsets between the position and the end of the log, per started partition. The end is the
    /// one of the last fetch, or of `start_at` if nothing was fetched yet.
    pub fn lag(&self) -> Vec<(TopicPartition, u64)> {
        self.slots
            .iter()
            .map(|(tp, position, end)| {
                let end = self.native.cached_end(tp).map_or(end, |cached| cached.max(end));
                (tp.clone(), u64::try_from(end.0 - position.0).unwrap_or(0))
            })
            .collect()
    }

    /// Shows how far processing is by committing group offsets, for lag displays only: nothing here
    /// reads them back. Does not wait; does nothing outside a group.
    pub fn show_progress(&self, positions: &[(TopicPartition, Offset)]) {
        let Membership::Group { ours } = &self.membership else { return };
        let mut list = TopicPartitionList::new();
        for (tp, next) in positions.iter().filter(|(tp, _)| ours.contains(tp)) {
            let _ = list.add_partition_offset(&tp.topic, tp.partition.0, At::Offset(next.0));
        }
        if list.count() > 0
            && let Err(error) = self.client().commit(&list, CommitMode::Async)
        {
            tracing::debug!(target: "kafka", %error, "the lag display was not updated");
        }
    }

    /// Failures the library recovered from by itself, so far.
    pub fn hiccups(&self) -> u64 {
        self.hiccups
    }
}

/// What `poll` handles after the record loop gave the borrow back.
enum Event {
    Moved(Change, Vec<TopicPartition>),
    Displaced(TopicPartition),
    Failed { code: Code, fatal: bool, tp: Option<TopicPartition>, reason: String },
}

fn named(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for tp in partitions {
        list.add_partition(&tp.topic, tp.partition.0);
    }
    list
}

fn beyond_the_end(tp: &TopicPartition, at: Offset, end: Offset) -> BusError {
    BusError::refused(format!(
        "{tp} should be read from offset {at} but ends at {end}: the topic was truncated or deleted and \
         created again. Point the stream at a topic of another name, or remove the positions kept for \
         this one"
    ))
}
