//! Emits events from a Rust service: batches them, holds the service back, outlives a broker's
//! absence.

mod frame;
mod pump;
mod spool;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::pump::{Counters, Message, Pump, Queued};
use self::spool::Spool;
pub use self::spool::SpoolSettings;
use crate::id::header_id;
use crate::{Budget, Clock, Header, ID_HEADER, Outgoing, SendError, Transport, new_event_id};

/// Most calls of `emit` that wait in the queue, whatever their size.
const QUEUE_EVENTS: usize = 65_536;

/// What `emit` does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Waits for room.
    Wait,
    /// Returns [`EmitError::Full`] at once.
    Refuse,
}

/// Is told of every event the broker will never take.
pub type OnRejected = Arc<dyn Fn(&Outgoing, &SendError) + Send + Sync>;

/// How an [`Emitter`] behaves.
#[derive(Clone)]
pub struct EmitterSettings {
    /// Most bytes of events in memory.
    pub queue_bytes: usize,
    /// What to do when they are reached.
    pub when_full: WhenFull,
    /// A batch is sent at this size …
    pub batch_bytes: usize,
    /// … or this long after its first event.
    pub linger: Duration,
    /// Pause before an unavailable broker is tried again.
    pub retry: Duration,
    /// How long shutdown waits for the broker before it leaves events on disk.
    pub grace: Duration,
    /// Where to keep events while the broker is away; without it they wait in the queue.
    pub spool: Option<SpoolSettings>,
    /// Told of every event the broker refuses for good; they are counted and logged in any case.
    pub on_rejected: Option<OnRejected>,
}

impl Default for EmitterSettings {
    fn default() -> Self {
        Self {
            queue_bytes: 16 << 20,
            when_full: WhenFull::Wait,
            batch_bytes: 256 << 10,
            linger: Duration::from_millis(5),
            retry: Duration::from_millis(500),
            grace: Duration::from_secs(10),
            spool: None,
            on_rejected: None,
        }
    }
}

impl fmt::Debug for EmitterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitterSettings")
            .field("queue_bytes", &self.queue_bytes)
            .field("when_full", &self.when_full)
            .field("batch_bytes", &self.batch_bytes)
            .field("linger", &self.linger)
            .field("retry", &self.retry)
            .field("grace", &self.grace)
            .field("spool", &self.spool)
            .finish_non_exhaustive()
    }
}

/// What became of the events so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmitterStats {
    /// Acknowledged by the broker.
    pub acknowledged: u64,
    /// Refused by the broker for good.
    pub rejected: u64,
    /// On disk now, waiting for the broker.
    pub spooled: u64,
    /// Found damaged on disk, and passed over.
    pub damaged: u64,
    /// Given up at shutdown: the broker was away and the disk full or not used.
    pub undelivered: u64,
}

/// Why an event was not taken, or not delivered.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The queue is full and [`WhenFull::Refuse`] is set: try again later.
    #[error("the emitter's queue of {limit} bytes is full")]
    Full {
        /// The queue's limit.
        limit: usize,
    },
    /// The emitter's task has ended.
    #[error("the emitter is closed")]
    Closed,
    /// The spool's folder cannot be used, or another process uses it.
    #[error("cannot open the spool in {}: {source}", dir.display())]
    Spool {
        /// The folder.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Shutdown had to give up events.
    #[error("{events} events could not be delivered or kept on disk")]
    Undelivered {
        /// How many.
        events: u64,
    },
}

/// Takes events, sends them in order of emission, and keeps them on disk while the broker is away.
///
/// Delivery is at least once; every record carries an id in the header `ce_id`, by which a second
/// delivery is recognised. Owns one task: end with [`Self::shutdown`], which lets the queue run
/// empty, then delivers the spool as far as the broker takes it, then closes the files. Dropping an
/// emitter without it abandons what is in memory; what is on disk is delivered by the next emitter
/// on that folder.
#[derive(Debug)]
pub struct Emitter {
    outbox: mpsc::Sender<Message>,
    queue: Budget,
    when_full: WhenFull,
    grace: Duration,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    hurry: CancellationToken,
    tasks: JoinSet<()>,
}

impl Emitter {
    /// Starts an emitter; events an earlier one left in the spool are sent first.
    pub async fn start(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        settings: EmitterSettings,
    ) -> Result<Self, EmitError> {
        let spool = match settings.spool.clone() {
            None => None,
            Some(spool) => {
                let dir = spool.dir.clone();
                let opened = tokio::task::spawn_blocking(move || Spool::open(spool)).await;
                let opened = opened.map_err(io::Error::other).and_then(|spool| spool);
                Some(opened.map_err(|source| EmitError::Spool { dir, source })?)
            }
        };
        let (outbox, inbox) = mpsc::channel(QUEUE_EVENTS);
        let (counters, hurry) = (Arc::new(Counters::default()), CancellationToken::new());
        let (when_full, grace) = (settings.when_full, settings.grace);
        let queue = Budget::new("emitter", settings.queue_bytes);
        let pump = Pump::new(transport, settings, inbox, counters.clone(), hurry.clone(), spool);
        let mut tasks = JoinSet::new();
        tasks.spawn(pump.run());
        Ok(Self { outbox, queue, when_full, grace, clock, counters, hurry, tasks })
    }

    /// Takes an event and returns its id: the one in its `ce_id` header, or a new one. A record
    /// without a timestamp gets the time of this call, however long it may wait on disk.
    ///
    /// Taken is not delivered: [`Self::flush`] says when. Cancelling the call takes nothing.
    pub async fn emit(&self, mut record: Outgoing) -> Result<String, EmitError> {
        let id = with_id(&mut record);
        record.timestamp_ms.get_or_insert_with(|| self.clock.now_ms());
        let full = || EmitError::Full { limit: self.queue.limit() };
        let bytes = record.bytes();
        if self.when_full == WhenFull::Refuse {
            let held = self.queue.try_reserve(bytes).ok_or_else(full)?;
            return match self.outbox.try_send(Message::Events(vec![Queued { record, held }])) {
                Ok(()) => Ok(id),
                Err(mpsc::error::TrySendError::Full(_)) => Err(full()),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(EmitError::Closed),
            };
        }
        let held = self.queue.reserve(bytes).await;
        let event = Message::Events(vec![Queued { record, held }]);
        self.outbox.send(event).await.map_err(|_| EmitError::Closed)?;
        Ok(id)
    }

    /// Takes events that belong together, in order: all of them or none. Much cheaper than one at a
    /// time. Otherwise as [`Self::emit`].
    pub async fn emit_all(&self, mut records: Vec<Outgoing>) -> Result<(), EmitError> {
        if records.is_empty() {
            return Ok(());
        }
        for record in &mut records {
            if header_id(&record.headers).is_none() {
                with_id(record);
            }
            record.timestamp_ms.get_or_insert_with(|| self.clock.now_ms());
        }
        let bytes = records.iter().map(Outgoing::bytes).sum();
        let refuse = self.when_full == WhenFull::Refuse;
        let full = || EmitError::Full { limit: self.queue.limit() };
        let mut held = if refuse {
            self.queue.try_reserve(bytes).ok_or_else(full)?
        } else {
            self.queue.reserve(bytes).await
        };
        let queue = |record: Outgoing| {
            let held = held.split(record.bytes());
            Queued { record, held }
        };
        let events = Message::Events(records.into_iter().map(queue).collect());
        if refuse {
            return self.outbox.try_send(events).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => full(),
                mpsc::error::TrySendError::Closed(_) => EmitError::Closed,
            });
        }
        self.outbox.send(events).await.map_err(|_| EmitError::Closed)
    }

    /// Waits until every event emitted before is acknowledged, refused for good, or on disk.
    pub async fn flush(&self) -> Result<EmitterStats, EmitError> {
        let (asked, answer) = oneshot::channel();
        self.outbox.send(Message::Flush(asked)).await.map_err(|_| EmitError::Closed)?;
        answer.await.map_err(|_| EmitError::Closed)
    }

    /// What became of the events so far.
    pub fn stats(&self) -> EmitterStats {
        self.counters.stats()
    }

    /// Delivers what it can within the grace time, leaves the rest on disk, and ends the task.
    pub async fn shutdown(self) -> Result<EmitterStats, EmitError> {
        let Self { outbox, grace, counters, hurry, mut tasks, .. } = self;
        drop(outbox);
        let ended = if let Ok(ended) = tokio::time::timeout(grace, tasks.join_next()).await {
            ended
        } else {
            hurry.cancel();
            tasks.join_next().await
        };
        if !matches!(ended, Some(Ok(()))) {
            return Err(EmitError::Closed);
        }
        let stats = counters.stats();
        match stats.undelivered {
            0 => Ok(stats),
            events => Err(EmitError::Undelivered { events }),
        }
    }
}

fn with_id(record: &mut Outgoing) -> String {
    if let Some(id) = header_id(&record.headers) {
        return id.to_owned();
    }
    let id = new_event_id();
    let value = Some(Bytes::from(id.clone()));
    record.headers.push(Header { name: ID_HEADER.to_owned(), value });
    id
}
