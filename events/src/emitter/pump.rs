//! The task behind an emitter: gathers batches, sends them, and keeps them on disk while it cannot.
//!
//! Order is kept by one rule: while anything is spooled, new events go behind it.

use std::io;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::spool::Spool;
use super::{EmitterSettings, EmitterStats};
use crate::{Outgoing, Reservation, SendError, Transport};

/// An event in memory, with the bytes it is charged for.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) record: Outgoing,
    #[expect(dead_code, reason = "dropping it gives the bytes back")]
    pub(super) held: Reservation,
}

#[derive(Debug)]
pub(super) enum Message {
    /// Events of one call, in order.
    Events(Vec<Queued>),
    /// Answered when every event before it is acknowledged, refused or on disk.
    Flush(oneshot::Sender<EmitterStats>),
}

/// What became of the events, counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    acknowledged: AtomicU64,
    rejected: AtomicU64,
    spooled: AtomicU64,
    damaged: AtomicU64,
    undelivered: AtomicU64,
}

impl Counters {
    pub(super) fn stats(&self) -> EmitterStats {
        let read = |n: &AtomicU64| n.load(Ordering::Acquire);
        EmitterStats {
            acknowledged: read(&self.acknowledged),
            rejected: read(&self.rejected),
            spooled: read(&self.spooled),
            damaged: read(&self.damaged),
            undelivered: read(&self.undelivered),
        }
    }
}

pub(super) struct Pump {
    transport: Arc<dyn Transport>,
    settings: EmitterSettings,
    inbox: mpsc::Receiver<Message>,
    counters: Arc<Counters>,
    /// Set when shutdown will wait no longer: what is in memory goes to disk or is given up.
    hurry: CancellationToken,
    /// `None` without a spool.
    spool: Option<Spool>,
    /// Not before this is the broker tried again.
    retry_at: Instant,
}

impl Pump {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        settings: EmitterSettings,
        inbox: mpsc::Receiver<Message>,
        counters: Arc<Counters>,
        hurry: CancellationToken,
        spool: Option<Spool>,
    ) -> Self {
        let retry_at = Instant::now();
        let pump = Self { transport, settings, inbox, counters, hurry, spool, retry_at };
        pump.count_spool();
        pump
    }

    /// Runs until the emitter is gone and its events are acknowledged, on disk or given up.
    pub(super) async fn run(mut self) {
        loop {
            let message = tokio::select! {
                message = self.inbox.recv() => message,
                () = sleep_until(self.retry_at), if self.spooled() > 0 => {
                    self.drain().await;
                    continue;
                }
            };
            match message {
                Some(Message::Events(first)) => {
                    let (batch, flush) = self.gather(first).await;
                    self.deliver(batch).await;
                    self.answer(flush);
                }
                Some(Message::Flush(flush)) => self.answer(Some(flush)),
                None => break,
            }
        }
        while self.spooled() > 0 && self.drain().await {}
    }

    fn answer(&self, flush: Option<oneshot::Sender<EmitterStats>>) {
        if let Some(flush) = flush {
            // Who asked may have given up waiting.
            let _ = flush.send(self.counters.stats());
        }
    }

    /// Collects what arrives within the linger time, up to the batch size or a flush.
    async fn gather(
        &mut self,
        first: Vec<Queued>,
    ) -> (Vec<Queued>, Option<oneshot::Sender<EmitterStats>>) {
        let deadline = Instant::now() + self.settings.linger;
        let bytes_of = |events: &[Queued]| events.iter().map(|q| q.record.bytes()).sum::<usize>();
        let mut bytes = bytes_of(&first);
        let mut batch = first;
        while bytes < self.settings.batch_bytes {
            match timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some(Message::Events(events))) => {
                    bytes += bytes_of(&events);
                    batch.extend(events);
                }
                Ok(Some(Message::Flush(flush))) => return (batch, Some(flush)),
                Ok(None) | Err(_) => break,
            }
        }
        (batch, None)
    }

    /// Returns when every event of `batch` is acknowledged, refused, on disk or given up.
    async fn deliver(&mut self, mut batch: Vec<Queued>) {
        loop {
            if self.spooled() == 0 {
                let records: Vec<_> = batch.iter().map(|q| &q.record).collect();
                let mut kept = self.send(&records).await.into_iter();
                batch.retain(|_| kept.next() == Some(true));
            }
            if batch.is_empty() {
                return;
            }
            batch = self.store(batch).await;
            if batch.is_empty() {
                return;
            }
            if self.hurry.is_cancelled() {
                let lost =
                    self.counters.undelivered.fetch_add(batch.len() as u64, Ordering::AcqRel);
                tracing::error!(events = batch.len(), before = lost, "events given up at shutdown");
                return;
            }
            // The disk is full or not used: the queue behind us fills up and `emit` waits.
            tokio::select! {
                () = sleep_until(self.retry_at) => {}
                () = self.hurry.cancelled() => {}
            }
            if self.spooled() > 0 {
                self.drain().await;
            }
        }
    }

    /// Sends `records`; for each, whether it must be kept for another try.
    async fn send(&mut self, records: &[&Outgoing]) -> Vec<bool> {
        let copies = records.iter().map(|r| (*r).clone()).collect();
        let results = tokio::select! {
            results = self.transport.send(copies) => results,
            () = self.hurry.cancelled() => Vec::new(),
        };
        let no_answer = || Err(SendError::Unavailable("no answer".to_owned()));
        let results = results.into_iter().chain(iter::repeat_with(no_answer));
        let keep: Vec<_> = records.iter().zip(results).map(|(r, s)| self.judge(r, s)).collect();
        let pause =
            if keep.contains(&true) { self.settings.retry } else { std::time::Duration::ZERO };
        self.retry_at = Instant::now() + pause;
        keep
    }

    fn judge(&self, record: &Outgoing, result: Result<(), SendError>) -> bool {
        match result {
            Ok(()) => {
                self.counters.acknowledged.fetch_add(1, Ordering::AcqRel);
                false
            }
            Err(SendError::Unavailable(reason)) => {
                tracing::debug!(topic = %record.topic, reason, "kept for another try");
                true
            }
            Err(error @ SendError::Rejected(_)) => {
                self.counters.rejected.fetch_add(1, Ordering::AcqRel);
                tracing::warn!(topic = %record.topic, %error, "event refused for good");
                if let Some(tell) = &self.settings.on_rejected {
                    tell(record, &error);
                }
                false
            }
        }
    }

    /// Sends one batch from the head of the spool; `true` if it went forward.
    ///
    /// Stops at the first event that must be tried again, so that nothing overtakes it on disk.
    /// Those after it that were acknowledged all the same are sent again, under the same ids.
    async fn drain(&mut self) -> bool {
        let batch_bytes = self.settings.batch_bytes as u64;
        let Some(head) = self.with_spool(move |spool| spool.peek(batch_bytes)).await else {
            return self.postpone();
        };
        let keep = self.send(&head.records.iter().collect::<Vec<_>>()).await;
        let done = keep.iter().take_while(|again| !**again).count();
        let moved = self.with_spool(move |spool| spool.advance(&head, done)).await.is_some();
        (moved && done == keep.len()) || self.postpone()
    }

    fn postpone(&mut self) -> bool {
        self.retry_at = Instant::now() + self.settings.retry;
        false
    }

    /// Puts what fits on disk and gives back the rest.
    async fn store(&mut self, mut batch: Vec<Queued>) -> Vec<Queued> {
        let records: Vec<_> = batch.iter().map(|q| q.record.clone()).collect();
        let stored = self.with_spool(move |spool| spool.append(records.iter())).await;
        batch.drain(..stored.unwrap_or(0));
        batch
    }

    fn spooled(&self) -> u64 {
        self.spool.as_ref().map_or(0, Spool::pending)
    }

    /// Runs `work` on the spool off the I/O threads; `None` without a spool or when the disk fails.
    async fn with_spool<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let mut spool = self.spool.take()?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        let (spool, result) = task.await.expect("spool work neither panics nor is cancelled");
        self.spool = Some(spool);
        self.count_spool();
        result.inspect_err(|error| tracing::error!(%error, "the spool cannot be used")).ok()
    }

    fn count_spool(&self) {
        if let Some(spool) = &self.spool {
            self.counters.spooled.store(spool.pending(), Ordering::Release);
            self.counters.damaged.store(spool.damaged(), Ordering::Release);
        }
    }
}
