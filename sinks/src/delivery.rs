//! Sinks for destinations that cannot hold offsets: deliver, then move a ledger kept elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use millrace_events::{DeadLetter, Epoch, Offset, RouteName, TopicPartition};

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

    /// Applies all `moves` or none and returns the new ledgers. A move whose epoch is not the book's
    /// is [`SinkError::Fenced`].
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
/// between repeats rows (with the same event ids) and never loses one.
pub struct AtLeastOnce<D> {
    route: RouteName,
    delivery: D,
    ledgers: Arc<dyn LedgerBook>,
    dead_letters: Arc<dyn DeadLetterBook>,
    /// Partitions this writer may write. Emptied before anything that can fail half-way, also by
    /// being cancelled, so that a failed writer must claim again.
    owned: HashMap<TopicPartition, Ledger>,
    pending: BTreeMap<TopicPartition, Progress>,
    dead: Vec<DeadLetter>,
    dead_bytes: usize,
}

impl<D: Delivery> AtLeastOnce<D> {
    /// A sink of `route` over `delivery`.
    pub fn new(
        route: RouteName,
        delivery: D,
        ledgers: Arc<dyn LedgerBook>,
        dead_letters: Arc<dyn DeadLetterBook>,
    ) -> Self {
        Self {
            route,
            delivery,
            ledgers,
            dead_letters,
            owned: HashMap::new(),
            pending: BTreeMap::new(),
            dead: Vec::new(),
            dead_bytes: 0,
        }
    }

    /// How many rows of `batch`'s partition came before it, if the batch may be written now.
    fn check(&self, batch: &SinkBatch) -> Result<u64, SinkError> {
        let ledger = self.owned.get(&batch.tp).ok_or_else(|| {
            SinkError::retry(
                format!("route `{}`: write to {}", self.route, batch.tp),
                "the partition is not claimed",
            )
        })?;
        // Kept in release builds: a wrong count would be made durable as a wrong audit.
        assert!(batch.progress.adds_up(), "{}: {:?}", batch.tp, batch.progress);
        assert_eq!(batch.progress.written, batch.records.len() as u64, "{}", batch.tp);
        assert_eq!(batch.progress.dead, batch.dead.len() as u64, "{}", batch.tp);
        let pending = self.pending.get(&batch.tp);
        let expected = pending.map(|p| p.range.next).or(ledger.next);
        if expected.is_some_and(|next| next != batch.progress.range.from) {
            return Err(not_contiguous(&self.route, batch, expected));
        }
        Ok(ledger.written + pending.map_or(0, |p| p.written))
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.dead.clear();
        self.dead_bytes = 0;
    }

    async fn settle(
        &mut self,
        moves: &[Move],
        dead: &[DeadLetter],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        self.delivery.flush().await?;
        if !dead.is_empty() {
            self.dead_letters.bury(&self.route, moves, dead).await?;
        }
        self.ledgers.advance(&self.route, moves).await
    }
}

fn bytes_of(letter: &DeadLetter) -> usize {
    letter.value.as_ref().map_or(0, Vec::len) + letter.reason.len()
}

fn not_contiguous(route: &RouteName, batch: &SinkBatch, expected: Option<Offset>) -> SinkError {
    SinkError::retry(
        format!("route `{route}`: write to {}", batch.tp),
        format!(
            "the batch starts at {}, the ledger continues at {}",
            batch.progress.range.from,
            expected.unwrap_or(Offset(0)),
        ),
    )
}

#[async_trait]
impl<D: Delivery> Sink for AtLeastOnce<D> {
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        self.release(partitions).await;
        if self.pending.is_empty() {
            // What a failed or cancelled step left in the buffers will be fed again.
            self.delivery.abort().await;
        }
        let ledgers = self.ledgers.claim(&self.route, partitions).await?;
        self.owned.extend(ledgers.iter().cloned());
        Ok(ledgers)
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.owned.remove(tp);
            self.pending.remove(tp);
        }
        self.dead.retain(|letter| !partitions.contains(&letter.tp));
        self.dead_bytes = self.dead.iter().map(bytes_of).sum();
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError> {
        let row = match self.check(&batch) {
            Ok(row) => row,
            Err(e) => {
                self.abort().await;
                self.owned.clear();
                return Err(e);
            }
        };
        if batch.progress.range.width() == 0 {
            return Ok(());
        }
        if !batch.records.is_empty()
            && let Err(e) = self.delivery.deliver(&batch, row).await
        {
            self.abort().await;
            self.owned.clear();
            return Err(e);
        }
        self.dead_bytes += batch.dead.iter().map(bytes_of).sum::<usize>();
        self.dead.extend(batch.dead);
        self.pending
            .entry(batch.tp)
            .and_modify(|p| *p = p.then(&batch.progress))
            .or_insert(batch.progress);
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.delivery.pending_bytes() + self.dead_bytes
    }

    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        if self.pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut owned = std::mem::take(&mut self.owned);
        let dead = std::mem::take(&mut self.dead);
        let moves: Vec<Move> = std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(tp, progress)| {
                let epoch = owned.get(&tp).map_or(Epoch::default(), |ledger| ledger.epoch);
                (tp, epoch, progress)
            })
            .collect();
        self.forget();
        match self.settle(&moves, &dead).await {
            Ok(moved) => {
                owned.extend(moved.iter().cloned());
                self.owned = owned;
                Ok(moved)
            }
            Err(e) => {
                self.delivery.abort().await;
                Err(e)
            }
        }
    }

    async fn abort(&mut self) {
        self.delivery.abort().await;
        self.forget();
    }
}
