//! Appends records to topics, each acknowledged by all in-sync replicas.

mod ticket;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};

use millrace_events::{Header, Outgoing, PartitionId, SendError, Transport};

use crate::logging;
use crate::{BusError, KafkaSettings};

use ticket::{Rows, Ticket, Tracker};

/// A record that is not acknowledged by then is given up.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long `send` and `enqueue` wait before they try a full queue again.
const FULL_QUEUE: Duration = Duration::from_millis(2);

/// The library counts keys and values only; counting records as well keeps small ones, which cost
/// it some 300 bytes more each, within the limit.
const RECORD_BYTES: usize = 400;

/// How much a producer holds and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerLimits {
    /// Bytes queued and not yet acknowledged.
    pub queue_bytes: usize,
    /// How long a record may wait for company.
    pub linger: Duration,
}

/// A record to append, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRef<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition; `None` lets the key (or chance) decide.
    pub partition: Option<PartitionId>,
    /// Record key.
    pub key: Option<&'a [u8]>,
    /// Record value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header],
    /// Milliseconds since the Unix epoch; `None` takes the time of sending.
    pub timestamp_ms: Option<i64>,
}

impl<'a> From<&'a Outgoing> for OutgoingRef<'a> {
    fn from(record: &'a Outgoing) -> Self {
        Self {
            topic: &record.topic,
            partition: record.partition,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
            timestamp_ms: record.timestamp_ms,
        }
    }
}

/// Why a record was not enqueued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// The queue is full: wait for acknowledgements, then enqueue the same record again.
    #[error("the producer's queue is full")]
    Full,
    /// The record or the producer is at fault.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Appends records: idempotent, `acks=all`, zstd. Clones share the connection; each clone keeps its
/// own account of what it enqueued, for [`drained`](Self::drained).
///
/// Records still queued when the last clone is dropped are given up.
pub struct Producer {
    shared: Arc<Shared>,
    tracker: Arc<Tracker>,
}

impl Clone for Producer {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), tracker: Arc::default() }
    }
}

struct Shared {
    config: ClientConfig,
    /// What the library takes as the limit.
    queue_bytes: usize,
    live: Mutex<Live>,
}

type Live = Arc<ThreadedProducer<Delivery>>;

impl Producer {
    /// Connects lazily: succeeds without a broker.
    pub fn new(settings: &KafkaSettings, limits: ProducerLimits) -> Result<Self, BusError> {
        let mut config = settings.client()?;
        let queue_kbytes = (limits.queue_bytes / 1024).max(1);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("compression.level", "1")
            .set("linger.ms", limits.linger.as_millis().to_string())
            .set("batch.num.messages", "100000")
            .set("queue.buffering.max.kbytes", queue_kbytes.to_string())
            .set(
                "queue.buffering.max.messages",
                (limits.queue_bytes / RECORD_BYTES).max(1000).to_string(),
            )
            .set("retry.backoff.max.ms", "500")
            .set("delivery.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string());
        let refused = |e| BusError::refused(format!("the Kafka settings are not accepted: {e}"));
        let live = Mutex::new(Arc::new(config.create_with_context(Delivery).map_err(refused)?));
        let shared = Arc::new(Shared { config, queue_bytes: queue_kbytes * 1024, live });
        Ok(Self { shared, tracker: Arc::default() })
    }

    /// Enqueues a record without waiting; [`drained`](Self::drained) tells what became of it.
    pub fn try_enqueue(&self, record: OutgoingRef<'_>) -> Result<(), EnqueueError> {
        self.tracker.enqueued();
        let ticket = Ticket::Tracked(Arc::clone(&self.tracker));
        self.shared.enqueue(record, ticket).inspect_err(|_| self.tracker.taken_back())
    }

    /// [`try_enqueue`](Self::try_enqueue) that waits for room in the queue. `Full` means that the
    /// record is larger than the whole queue.
    pub async fn enqueue(&self, record: OutgoingRef<'_>) -> Result<(), EnqueueError> {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let fits = len(record.key) + len(record.value) <= self.shared.queue_bytes;
        loop {
            match self.try_enqueue(record) {
                // Being told when everything is acknowledged would not do: the library frees its
                // queue a moment later, and half a queue is room enough.
                Err(EnqueueError::Full) if fits => tokio::time::sleep(FULL_QUEUE).await,
                outcome => return outcome,
            }
        }
    }

    /// Waits until everything enqueued through this clone is acknowledged or given up; the first
    /// failure since the last call, if any.
    pub async fn drained(&self) -> Result<(), SendError> {
        self.tracker.drained().await
    }

    /// Records enqueued through this clone and not yet acknowledged or given up.
    pub fn outstanding(&self) -> usize {
        self.tracker.outstanding()
    }
}

impl Shared {
    fn enqueue(&self, record: OutgoingRef<'_>, ticket: Ticket) -> Result<(), EnqueueError> {
        let live = Arc::clone(&self.live.lock().unwrap_or_else(PoisonError::into_inner));
        let sent = live.send(BaseRecord {
            topic: record.topic,
            partition: record.partition.map(|p| p.0),
            payload: record.value,
            key: record.key,
            timestamp: record.timestamp_ms,
            headers: headers(record.headers),
            delivery_opaque: Box::new(ticket),
        });
        // The ticket of a record that was not taken comes back and goes without a report.
        let Err((error, _)) = sent else { return Ok(()) };
        match error.rdkafka_error_code() {
            Some(Code::QueueFull) => Err(EnqueueError::Full),
            Some(Code::Fatal) => {
                self.replace(&live);
                Err(EnqueueError::Full)
            }
            _ => Err(EnqueueError::Send(ticket::send_error(&error, record.topic))),
        }
    }

    /// A producer with a fatal error (its sequence numbers no longer fit the broker's) takes no
    /// more records; a new one starts with a new identity.
    fn replace(&self, broken: &Live) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&live, broken) {
            return;
        }
        let reason = broken.client().fatal_error().map(|(_, reason)| reason);
        match self.config.create_with_context(Delivery) {
            Ok(fresh) => {
                tracing::warn!(target: "kafka", ?reason, "the producer was replaced");
                *live = Arc::new(fresh);
            }
            Err(error) => tracing::error!(target: "kafka", %error, "no new producer"),
        }
    }
}

fn headers(headers: &[Header]) -> Option<OwnedHeaders> {
    let first = OwnedHeaders::new_with_capacity(headers.len());
    let add = |all: OwnedHeaders, h: &Header| {
        all.insert(KafkaHeader { key: &h.name, value: h.value.as_deref() })
    };
    (!headers.is_empty()).then(|| headers.iter().fold(first, add))
}

#[async_trait]
impl Transport for Producer {
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        let rows = Rows::new(records.len());
        for (row, record) in records.iter().enumerate() {
            loop {
                let ticket = Ticket::Row(Arc::clone(&rows), row);
                match self.shared.enqueue(record.into(), ticket) {
                    Ok(()) => break,
                    Err(EnqueueError::Full) => tokio::time::sleep(FULL_QUEUE).await,
                    Err(EnqueueError::Send(error)) => {
                        rows.done(row, Err(error));
                        break;
                    }
                }
            }
        }
        rows.finished().await
    }
}

/// Delivery reports settle tickets.
struct Delivery;

impl ClientContext for Delivery {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::talk(level as i32, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "kafka", %error, "{reason}");
    }
}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        ticket.settle(match result {
            Ok(_) => Ok(()),
            Err((error, message)) => {
                Err(ticket::send_error(error, rdkafka::Message::topic(message)))
            }
        });
    }
}
