//! [`Delivery`] to a Kafka topic.

use std::fmt::{self, Write as _};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use millrace_bus::{BusError, EnqueueError, KafkaSettings, OutgoingRef, Producer, ProducerLimits};
use millrace_events::{Header, ID_HEADER, RawBatch, RouteName, SendError, TopicPartition};

use crate::delivery::Delivery;
use crate::rows::{JsonRows, Texts};
use crate::{Records, SinkBatch, SinkError};

/// Names the header that carries a row's place: `route/topic/partition/row`, the row counted by the
/// ledger.
pub const ROW_HEADER: &str = "millrace-row";

/// Settings of a [`KafkaDelivery`].
#[derive(Debug, Clone)]
pub struct KafkaDeliverySettings {
    /// The route; part of every row's `millrace-row`.
    pub route: RouteName,
    /// The cluster to write to.
    pub kafka: KafkaSettings,
    /// How much may be queued, and how long records wait for company.
    pub limits: ProducerLimits,
    /// The topic to write to.
    pub topic: String,
    /// Column whose text keys the records made of columns; raw records keep their keys.
    pub key: Option<String>,
    /// Column that holds the event id of records made of columns.
    pub id: Option<String>,
}

/// Appends rows to a topic with an idempotent producer.
///
/// Raw records pass byte for byte: key, value, headers and timestamp. Columns become JSON objects.
/// Every record carries its event id in header `ce_id`, which is the same however often the record
/// is repeated, so that consumers can tell repetitions:
///
/// | rows | `ce_id` | `millrace-row` |
/// |---|---|---|
/// | raw | as it came; if it had none, `topic/partition/offset` of the source | – |
/// | columns | the id column; without one, the same as `millrace-row` | `route/topic/partition/row`
/// |
pub struct KafkaDelivery {
    settings: KafkaDeliverySettings,
    /// Dropped, with everything queued in it, when its rows must not be sent any more or when it is
    /// in doubt what became of them; made anew when there is something to send.
    producer: Option<Producer>,
    /// Whether anything was enqueued since the last flush.
    dirty: bool,
    pending: usize,
    rows: JsonRows,
    keys: Texts,
    ids: Texts,
}

impl KafkaDelivery {
    /// Checks `settings`; needs no broker until there is something to send.
    pub fn new(settings: KafkaDeliverySettings) -> Result<Self, SinkError> {
        let producer = Some(producer(&settings)?);
        Ok(Self {
            settings,
            producer,
            dirty: false,
            pending: 0,
            rows: JsonRows::default(),
            keys: Texts::default(),
            ids: Texts::default(),
        })
    }

    fn encode(&mut self, columns: &RecordBatch) -> Result<(), SinkError> {
        self.rows.encode(columns).map_err(|e| SinkError::Rejected {
            what: format!("{}: rows have no JSON form: {e}", what(&self.settings)),
        })?;
        self.keys.read(columns, self.settings.key.as_deref())?;
        self.ids.read(columns, self.settings.id.as_deref())
    }
}

#[async_trait]
impl Delivery for KafkaDelivery {
    async fn deliver(&mut self, batch: &SinkBatch, row: u64) -> Result<(), SinkError> {
        if let Records::Columns(columns) = &batch.records {
            self.encode(columns)?;
        }
        let producer = match &self.producer {
            Some(producer) => producer,
            None => self.producer.insert(producer(&self.settings)?),
        };
        self.dirty = true;
        let lane = Lane { settings: &self.settings, producer };
        self.pending += match &batch.records {
            Records::Raw { batch, rows } => lane.pass(batch, rows).await?,
            Records::Columns(_) => {
                lane.objects(&batch.tp, row, &self.rows, &self.keys, &self.ids).await?
            }
        };
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        if let Some(producer) = self.producer.as_ref().filter(|_| self.dirty) {
            producer.drained().await.map_err(|e| failed(&self.settings, e))?;
        }
        self.dirty = false;
        self.pending = 0;
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.pending
    }

    async fn abort(&mut self) {
        if self.dirty {
            self.producer = None;
        }
        self.dirty = false;
        self.pending = 0;
    }
}

fn what(settings: &KafkaDeliverySettings) -> String {
    format!("route `{}`: Kafka topic `{}`", settings.route, settings.topic)
}

fn producer(settings: &KafkaDeliverySettings) -> Result<Producer, SinkError> {
    Producer::new(&settings.kafka, settings.limits).map_err(|e| match e {
        BusError::Refused { what: why } => {
            SinkError::Rejected { what: format!("{}: {why}", what(settings)) }
        }
        other => SinkError::retry(what(settings), other),
    })
}

fn failed(settings: &KafkaDeliverySettings, error: SendError) -> SinkError {
    match error {
        SendError::Unavailable(_) => SinkError::retry(what(settings), error),
        SendError::Rejected(_) => {
            SinkError::Rejected { what: format!("{}: {error}", what(settings)) }
        }
    }
}

/// Where the rows of one batch go. Returns of its methods are bytes enqueued.
struct Lane<'a> {
    settings: &'a KafkaDeliverySettings,
    producer: &'a Producer,
}

impl Lane<'_> {
    /// Enqueues `rows` of `batch` as they are. A record that names its id costs no allocation here.
    async fn pass(&self, batch: &RawBatch, rows: &[u32]) -> Result<usize, SinkError> {
        let mut scratch = BytesMut::new();
        let mut bytes = 0;
        for &row in rows {
            let record = batch.record(row as usize);
            let mut with_id = Vec::new();
            if !record.headers.iter().any(|header| header.name == ID_HEADER) {
                let id = text(&mut scratch, format_args!("{}/{}", batch.tp(), record.offset));
                with_id.extend_from_slice(record.headers);
                with_id.push(Header { name: ID_HEADER.to_owned(), value: Some(id) });
            }
            let outgoing = OutgoingRef {
                topic: &self.settings.topic,
                partition: None,
                key: record.key,
                value: record.value,
                headers: if with_id.is_empty() { record.headers } else { &with_id },
                // Records of the oldest format have no time.
                timestamp_ms: (record.timestamp_ms >= 0).then_some(record.timestamp_ms),
            };
            bytes += self.enqueue(outgoing).await?;
        }
        Ok(bytes)
    }

    /// Enqueues JSON objects, the first of which is row number `first` of `tp`.
    async fn objects(
        &self,
        tp: &TopicPartition,
        first: u64,
        rows: &JsonRows,
        keys: &Texts,
        ids: &Texts,
    ) -> Result<usize, SinkError> {
        let mut scratch = BytesMut::new();
        let header = |name: &str| Header { name: name.to_owned(), value: None };
        let mut headers = [header(ID_HEADER), header(ROW_HEADER)];
        let mut bytes = 0;
        for row in 0..rows.len() {
            let number = first + row as u64;
            let place = text(&mut scratch, format_args!("{}/{tp}/{number}", self.settings.route));
            headers[0].value = Some(ids.row(row).map_or_else(
                || place.clone(),
                |id| {
                    scratch.extend_from_slice(id);
                    scratch.split().freeze()
                },
            ));
            headers[1].value = Some(place);
            let outgoing = OutgoingRef {
                topic: &self.settings.topic,
                partition: None,
                key: keys.row(row),
                value: Some(rows.row(row)),
                headers: &headers,
                timestamp_ms: None,
            };
            bytes += self.enqueue(outgoing).await?;
        }
        Ok(bytes)
    }

    async fn enqueue(&self, record: OutgoingRef<'_>) -> Result<usize, SinkError> {
        match self.producer.enqueue(record).await {
            Ok(()) => {
                let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
                Ok(len(record.key) + len(record.value))
            }
            Err(EnqueueError::Send(e)) => Err(failed(self.settings, e)),
            Err(EnqueueError::Full) => Err(SinkError::Rejected {
                what: format!("{}: a record is larger than the queue", what(self.settings)),
            }),
        }
    }
}

/// `what` as text, cut from `scratch`, whose memory many texts share.
fn text(scratch: &mut BytesMut, what: fmt::Arguments<'_>) -> Bytes {
    scratch.write_fmt(what).expect("a buffer in memory takes any text");
    scratch.split().freeze()
}
