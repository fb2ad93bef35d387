//! Gives a sink that keeps rows only a place for its dead letters.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use millrace_events::{Budget, DeadLetter, Epoch, Reservation, RouteName, TopicPartition};

use crate::{DeadLetterBook, Ledger, Move, Progress, Sink, SinkBatch, SinkError};

/// Bytes of letters kept before they are buried without waiting for the commit.
const MANY_BYTES: usize = 4 << 20;
/// The same as a part of the budget.
const MANY_SHARE: usize = 8;

/// Buries dead letters before `inner` commits the offsets that count them, so that none is lost;
/// the book remembers how far it got, so that none is kept twice.
pub(crate) struct WithDeadLetters<S> {
    route: RouteName,
    inner: S,
    book: Arc<dyn DeadLetterBook>,
    budget: Budget,
    epochs: HashMap<TopicPartition, Epoch>,
    /// What was written since the letters before were buried.
    unburied: BTreeMap<TopicPartition, Progress>,
    letters: Vec<DeadLetter>,
    bytes: usize,
    held: Option<Reservation>,
    /// A call is under way, or was cancelled.
    busy: bool,
}

impl<S: Sink> WithDeadLetters<S> {
    pub(crate) fn new(
        route: RouteName,
        inner: S,
        book: Arc<dyn DeadLetterBook>,
        budget: Budget,
    ) -> Self {
        Self {
            route,
            inner,
            book,
            budget,
            epochs: HashMap::new(),
            unburied: BTreeMap::new(),
            letters: Vec::new(),
            bytes: 0,
            held: None,
            busy: false,
        }
    }

    fn forget(&mut self) {
        self.unburied.clear();
        self.letters.clear();
        self.bytes = 0;
        self.held = None;
    }

    /// Takes letters of a batch that `inner` has taken; buries them at once when memory is short.
    async fn keep(&mut self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let bytes: usize = letters.iter().map(bytes_of).sum();
        self.letters.extend(letters);
        self.bytes += bytes;
        let granted = self.budget.try_reserve(bytes);
        let short = granted.is_none();
        match (&mut self.held, granted) {
            (Some(held), Some(more)) => held.merge(more),
            (held @ None, granted) => *held = granted,
            (Some(_), None) => {}
        }
        if short || self.bytes > MANY_BYTES.min(self.budget.limit() / MANY_SHARE) {
            self.bury().await
        } else {
            Ok(())
        }
    }

    async fn bury(&mut self) -> Result<(), SinkError> {
        if self.letters.is_empty() {
            return Ok(());
        }
        let epoch = |tp| self.epochs.get(tp).copied().unwrap_or_default();
        let moves: Vec<Move> =
            self.unburied.iter().map(|(tp, progress)| (tp.clone(), epoch(tp), *progress)).collect();
        self.book.bury(&self.route, &moves, &self.letters).await?;
        self.forget();
        Ok(())
    }

    /// Ends a call; after a failure nothing is kept.
    async fn end<T>(&mut self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        if result.is_err() {
            self.forget();
            self.inner.abort().await;
        }
        self.busy = false;
        result
    }

    async fn take(&mut self, mut batch: SinkBatch) -> Result<(), SinkError> {
        debug_assert_eq!(batch.progress.dead, batch.dead.len() as u64);
        let letters = std::mem::take(&mut batch.dead);
        let (tp, progress) = (batch.tp.clone(), batch.progress);
        self.inner.write(batch).await?;
        if progress.range.width() == 0 {
            return Ok(());
        }
        self.unburied.entry(tp).and_modify(|p| *p = p.then(&progress)).or_insert(progress);
        if letters.is_empty() { Ok(()) } else { self.keep(letters).await }
    }

    async fn settle(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        self.bury().await?;
        let moved = self.inner.commit().await?;
        self.forget();
        Ok(moved)
    }
}

fn bytes_of(letter: &DeadLetter) -> usize {
    let headers =
        letter.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, bytes::Bytes::len));
    let payload = [&letter.key, &letter.value].map(|b| b.as_ref().map_or(0, Vec::len));
    size_of::<DeadLetter>()
        + payload.iter().sum::<usize>()
        + letter.reason.len()
        + headers.sum::<usize>()
}

#[async_trait]
impl<S: Sink> Sink for WithDeadLetters<S> {
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        if std::mem::take(&mut self.busy) {
            self.abort().await;
        }
        self.release(partitions).await;
        let claimed = self.inner.claim(partitions).await?;
        self.epochs.extend(claimed.iter().map(|(tp, ledger)| (tp.clone(), ledger.epoch)));
        Ok(claimed)
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        self.inner.release(partitions).await;
        for tp in partitions {
            self.unburied.remove(tp);
            self.epochs.remove(tp);
        }
        self.letters.retain(|letter| !partitions.contains(&letter.tp));
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError> {
        self.busy = true;
        let taken = self.take(batch).await;
        self.end(taken).await
    }

    fn pending_bytes(&self) -> usize {
        self.inner.pending_bytes() + self.bytes
    }

    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        self.busy = true;
        let settled = self.settle().await;
        self.end(settled).await
    }

    async fn abort(&mut self) {
        self.forget();
        self.inner.abort().await;
    }
}
