//! Sinks for destinations that cannot hold offsets: deliver, then move a ledger kept elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use millrace_events::{DeadLetter, Epoch, RouteName, TopicPartition};

use crate::{Ledger, Progress, Sink, SinkBatch, SinkError};

/// A destination that takes rows but cannot commit offsets with them.
#[async_trait]
pub trait Delivery: Send {
    /// Takes the rows of `batch`; waits while the destination's buffers are full. `row` is how many
    /// rows of the partition were delivered before these, counted by the ledger: a row has the same
    /// number however often it is repeated and however the batches are cut.
    async fn deliver(&mut self, batch: &SinkBatch, row: u64) -> Result<(), SinkError>;

    /// Returns when everything delivered so far is acknowledged by the destination.
    async fn flush(&mut self) -> Result<(), SinkError>;

    /// Bytes delivered since the last flush.
    fn pending_bytes(&self) -> usize;

    /// Forgets what was not sent yet. Rows already sent stay where they are.
    async fn abort(&mut self);
}

/// One step of a ledger: the writer's epoch and what it accounts for.
pub type Move = (TopicPartition, Epoch, Progress);

/// Ledgers kept apart from the data.
#[async_trait]
pub trait LedgerBook: Send + Sync {
    /// Raises the epoch of each partition of `route` and returns the ledgers, epoch included.
    async fn claim(
        &self,
        route: &RouteName,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError>;

    /// Applies all `moves` or none and returns the new ledgers. A move whose epoch is not the
    /// book's is [`SinkError::Fenced`].
    async fn advance(
        &self,
        route: &RouteName,
        moves: &[Move],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError>;
}

/// Keeps dead letters for destinations that cannot.
#[async_trait]
pub trait DeadLetterBook: Send + Sync {
    /// Makes `dead` durable before the ledger counts them. `moves` are what the ledger will be told
    /// next: a book that remembers them keeps each letter once although a crash repeats the call.
    async fn bury(
        &self,
        route: &RouteName,
        moves: &[Move],
        dead: &[DeadLetter],
    ) -> Result<(), SinkError>;
}

/// A [`Sink`] that delivers at least once: rows are flushed before the ledger moves, so a crash in
/// between repeats rows (with the same numbers) and never loses one.
pub struct AtLeastOnce<D> {
    route: RouteName,
    delivery: D,
    ledgers: Arc<dyn LedgerBook>,
    dead_letters: Arc<dyn DeadLetterBook>,
    held: Held,
}

/// What a writer owns and has not committed. It is taken out before every step that can fail
/// half-way and put back after, so that an error, and a cancelled call just the same, leaves a
/// writer that owns nothing and must claim again.
#[derive(Default)]
struct Held {
    owned: HashMap<TopicPartition, Ledger>,
    pending: BTreeMap<TopicPartition, Progress>,
    dead: Vec<DeadLetter>,
    dead_bytes: usize,
}

impl Held {
    /// How many rows of `batch`'s partition came before it, if the batch may be written now.
    fn check(&self, route: &RouteName, batch: &SinkBatch) -> Result<u64, SinkError> {
        // Kept in release builds: a wrong count would be made durable as a wrong audit.
        assert!(batch.progress.adds_up(), "{}: {:?}", batch.tp, batch.progress);
        assert_eq!(batch.progress.written, batch.records.len() as u64, "{}", batch.tp);
        assert_eq!(batch.progress.dead, batch.dead.len() as u64, "{}", batch.tp);
        let refuse = |why| SinkError::retry(format!("route `{route}`: write to {}", batch.tp), why);
        let Some(ledger) = self.owned.get(&batch.tp) else {
            return Err(refuse("the partition is not claimed".to_owned()));
        };
        let pending = self.pending.get(&batch.tp);
        match pending.map(|p| p.range.next).or(ledger.next) {
            Some(next) if next != batch.progress.range.from => Err(refuse(format!(
                "the batch starts at {}, the ledger continues at {next}",
                batch.progress.range.from,
            ))),
            _ => Ok(ledger.written + pending.map_or(0, |p| p.written)),
        }
    }

    fn add(&mut self, batch: SinkBatch) {
        self.dead_bytes += batch.dead.iter().map(bytes_of).sum::<usize>();
        self.dead.extend(batch.dead);
        self.pending
            .entry(batch.tp)
            .and_modify(|p| *p = p.then(&batch.progress))
            .or_insert(batch.progress);
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.dead.clear();
        self.dead_bytes = 0;
    }

    fn moves(&self) -> Vec<Move> {
        let epoch = |tp| self.owned.get(tp).map_or(Epoch::default(), |ledger| ledger.epoch);
        self.pending.iter().map(|(tp, progress)| (tp.clone(), epoch(tp), *progress)).collect()
    }
}

fn bytes_of(letter: &DeadLetter) -> usize {
    letter.value.as_ref().map_or(0, Vec::len) + letter.reason.len()
}

impl<D: Delivery> AtLeastOnce<D> {
    /// A sink of `route` over `delivery`.
    pub fn new(
        route: RouteName,
        delivery: D,
        ledgers: Arc<dyn LedgerBook>,
        dead_letters: Arc<dyn DeadLetterBook>,
    ) -> Self {
        Self { route, delivery, ledgers, dead_letters, held: Held::default() }
    }

    async fn settle(
        &mut self,
        held: &mut Held,
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let moves = held.moves();
        self.delivery.flush().await?;
        if !held.dead.is_empty() {
            self.dead_letters.bury(&self.route, &moves, &held.dead).await?;
        }
        let after = self.ledgers.advance(&self.route, &moves).await?;
        held.owned.extend(after.iter().cloned());
        held.drop_pending();
        Ok(after)
    }
}

#[async_trait]
impl<D: Delivery> Sink for AtLeastOnce<D> {
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        self.release(partitions).await;
        if self.held.pending.is_empty() {
            // What a failed or cancelled step left in the buffers will be fed again.
            self.delivery.abort().await;
        }
        let ledgers = self.ledgers.claim(&self.route, partitions).await?;
        self.held.owned.extend(ledgers.iter().cloned());
        Ok(ledgers)
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        let held = &mut self.held;
        for tp in partitions {
            held.owned.remove(tp);
            held.pending.remove(tp);
        }
        held.dead.retain(|letter| !partitions.contains(&letter.tp));
        held.dead_bytes = held.dead.iter().map(bytes_of).sum();
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError> {
        let mut held = std::mem::take(&mut self.held);
        let outcome = match held.check(&self.route, &batch) {
            Ok(row) if !batch.records.is_empty() => self.delivery.deliver(&batch, row).await,
            Ok(_) => Ok(()),
            Err(e) => Err(e),
        };
        if let Err(e) = outcome {
            self.delivery.abort().await;
            return Err(e);
        }
        if batch.progress.range.width() > 0 {
            held.add(batch);
        }
        self.held = held;
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.delivery.pending_bytes() + self.held.dead_bytes
    }

    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        if self.held.pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut held = std::mem::take(&mut self.held);
        match self.settle(&mut held).await {
            Ok(moved) => {
                self.held = held;
                Ok(moved)
            }
            Err(e) => {
                self.delivery.abort().await;
                Err(e)
            }
        }
    }

    async fn abort(&mut self) {
        self.held.drop_pending();
        self.delivery.abort().await;
    }
}
