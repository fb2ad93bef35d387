//! Who wants to know what became of a record.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::Notify;

use millrace_events::SendError;

type Outcome = Result<(), SendError>;

/// Travels with a record through the client library.
pub(super) enum Ticket {
    /// A row of a `send` call.
    Row(Arc<Rows>, usize),
    /// Counted only.
    Tracked(Arc<Tracker>),
}

impl Ticket {
    /// The record was acknowledged or given up.
    pub(super) fn settle(self, outcome: Outcome) {
        match self {
            Self::Row(rows, row) => rows.done(row, outcome),
            Self::Tracked(tracker) => tracker.settled(outcome),
        }
    }
}

/// Outcomes of the records of one `send` call.
pub(super) struct Rows {
    outcomes: Mutex<Vec<Outcome>>,
    open: AtomicUsize,
    finished: Notify,
}

impl Rows {
    pub(super) fn new(rows: usize) -> Arc<Self> {
        Arc::new(Self {
            outcomes: Mutex::new(vec![Ok(()); rows]),
            open: AtomicUsize::new(rows),
            finished: Notify::new(),
        })
    }

    /// Called once a row.
    pub(super) fn done(&self, row: usize, outcome: Outcome) {
        if outcome.is_err() {
            self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)[row] = outcome;
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finished.notify_one();
        }
    }

    /// Waits for every row. Called once.
    pub(super) async fn finished(&self) -> Vec<Outcome> {
        while self.open.load(Ordering::Acquire) > 0 {
            self.finished.notified().await;
        }
        mem::take(&mut *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts the records of one producer handle.
#[derive(Default)]
pub(super) struct Tracker {
    open: AtomicUsize,
    first_failure: Mutex<Option<SendError>>,
    empty: Notify,
}

impl Tracker {
    pub(super) fn enqueued(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// `enqueued` was called but the record was not taken.
    pub(super) fn taken_back(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.empty.notify_waiters();
        }
    }

    fn settled(&self, outcome: Outcome) {
        if let Err(error) = outcome {
            let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
        self.taken_back();
    }

    pub(super) fn outstanding(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(super) async fn drained(&self) -> Outcome {
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            // Registers before the check, so that a report in between is not missed.
            empty.as_mut().enable();
            if self.outstanding() == 0 {
                break;
            }
            empty.await;
        }
        let first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or(Ok(()), Err)
    }
}

/// Sorts a client error by what the sender can do.
pub(super) fn send_error(error: &KafkaError, topic: &str) -> SendError {
    let why = format!("topic {topic}: {error}");
    let never = error.rdkafka_error_code().is_none_or(|code| {
        crate::error::needs_an_operator(code)
            || matches!(
                code,
                Code::MessageSizeTooLarge
                    | Code::MessageBatchTooLarge
                    | Code::InvalidMessage
                    | Code::InvalidMessageSize
                    | Code::InvalidRecord
                    | Code::InvalidTimestamp
                    | Code::InvalidArgument
                    | Code::UnknownTopic
                    | Code::UnknownTopicOrPartition
                    | Code::UnknownPartition
            )
    });
    if never { SendError::Rejected(why) } else { SendError::Unavailable(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_whether_sending_again_can_help() {
        let of = |code| send_error(&KafkaError::MessageProduction(code), "plays");
        assert!(matches!(of(Code::MessageSizeTooLarge), SendError::Rejected(_)));
        assert!(matches!(of(Code::TopicAuthorizationFailed), SendError::Rejected(_)));
        assert!(matches!(of(Code::MessageTimedOut), SendError::Unavailable(_)));
        assert!(of(Code::UnknownTopic).to_string().contains("plays"));
    }

    #[tokio::test]
    async fn a_handle_reports_its_first_failure_once() {
        let tracker = Arc::new(Tracker::default());
        for _ in 0..3 {
            tracker.enqueued();
        }
        let lost = |why: &str| Err(SendError::Unavailable(why.into()));
        tracker.settled(lost("first"));
        tracker.settled(lost("second"));
        tracker.settled(Ok(()));
        assert_eq!(tracker.drained().await, lost("first"));
        assert_eq!(tracker.drained().await, Ok(()));
    }
}
