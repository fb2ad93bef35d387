//! Where events go that cannot be decoded.

use std::sync::Arc;

use async_trait::async_trait;

use millrace_events::{DeadLetter, Epoch, OffsetRange, RouteName, TopicPartition};
use millrace_processors::connector::ConnectorError;
use millrace_sinks::{DeadLetterBook, Progress};

use crate::error::of_sink;

/// Takes the events of a stream that cannot be decoded.
#[async_trait]
pub trait DeadLetterHook: Send + Sync {
    /// Takes the dead letters of one range of a partition, at least one, in offset order. Ranges
    /// come in order; after a restart they come again from the last checkpoint on, cut otherwise.
    async fn take(
        &self,
        tp: &TopicPartition,
        range: OffsetRange,
        letters: &[DeadLetter],
    ) -> Result<(), ConnectorError>;
}

/// Keeps none; the job counts them all.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadLettersCounted;

#[async_trait]
impl DeadLetterHook for DeadLettersCounted {
    async fn take(
        &self,
        tp: &TopicPartition,
        _range: OffsetRange,
        letters: &[DeadLetter],
    ) -> Result<(), ConnectorError> {
        if let Some(first) = letters.first() {
            let (offset, reason) = (first.offset, &first.reason);
            tracing::debug!(%tp, %offset, count = letters.len(), reason, "events cannot be decoded");
        }
        Ok(())
    }
}

/// Keeps each once in a book of dead letters, the table `dead_letters` for example, where the
/// reading of a job is told from that of a route by its name.
pub struct DeadLettersKept {
    book: Arc<dyn DeadLetterBook>,
    reader: RouteName,
}

impl DeadLettersKept {
    /// Letters go to `book` under the name `reader`, which no route may have.
    pub fn new(book: Arc<dyn DeadLetterBook>, reader: RouteName) -> Self {
        Self { book, reader }
    }
}

#[async_trait]
impl DeadLetterHook for DeadLettersKept {
    async fn take(
        &self,
        tp: &TopicPartition,
        range: OffsetRange,
        letters: &[DeadLetter],
    ) -> Result<(), ConnectorError> {
        let dead = letters.len() as u64;
        let gaps = range.width() - dead;
        let progress = Progress { range, written: 0, filtered: 0, dead, gaps };
        // The book remembers how far it got, so a repetition is kept once whoever sends it; an
        // older run has nothing to say that the newer one does not, hence one epoch for all.
        let moves = [(tp.clone(), Epoch::default(), progress)];
        self.book.bury(&self.reader, &moves, letters).await.map_err(of_sink)
    }
}
