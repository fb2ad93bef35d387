//! [`Delivery`] to an HTTP endpoint.

use std::collections::HashMap;

use async_trait::async_trait;

use millrace_events::TopicPartition;

use super::body::{Body, Cut};
use super::poster::{Poster, Request};
use super::settings::HttpSettings;
use crate::delivery::Delivery;
use crate::rows::JsonRows;
use crate::{Records, SinkBatch, SinkError};

/// Posts rows in batches, one request at a time.
///
/// A request carries consecutive rows of one partition and says which in `millrace-rows:
/// topic/partition/first-last`: line `i` is row `first + i`, whichever process sends it and however
/// often. Its `Idempotency-Key` is made of route, partition, those row numbers and the body.
/// Requests are cut where row numbers divide by `batch_rows` and where `batch_bytes` are full, so
/// after a crash the same rows come in the same requests with the same keys; the exceptions are the
/// last request of each partition before the crash, if a commit or full buffers had cut it short.
///
/// Raw records are posted as they are and must be JSON.
pub struct HttpDelivery {
    poster: Poster,
    bodies: HashMap<TopicPartition, Body>,
    rows: JsonRows,
    pending: usize,
}

impl HttpDelivery {
    /// Checks `settings`; connects when there is something to send.
    pub fn new(settings: HttpSettings) -> Result<Self, SinkError> {
        let poster = Poster::new(settings)?;
        Ok(Self { poster, bodies: HashMap::new(), rows: JsonRows::default(), pending: 0 })
    }

    async fn send(&self, tp: &TopicPartition, body: Body) -> Result<(), SinkError> {
        let (first, last) = (body.first(), body.next() - 1);
        self.poster.post(Request { tp, first, last, body: body.finish() }).await
    }

    async fn take(
        &mut self,
        tp: &TopicPartition,
        rows: &JsonRows,
        row: u64,
    ) -> Result<(), SinkError> {
        let settings = self.poster.settings();
        let (format, buffer_bytes) = (settings.format, settings.buffer_bytes);
        let cut = Cut { rows: settings.batch_rows, bytes: settings.batch_bytes };
        // Rows that do not continue what is held were fed anew from the ledger, after a claim: what
        // is held is among them or was committed by somebody else.
        let mut body = self
            .bodies
            .remove(tp)
            .filter(|body| body.next() == row)
            .unwrap_or_else(|| Body::starting_at(row, format));
        for i in 0..rows.len() {
            let text = rows.row(i);
            if body.ends_before(text.len(), cut) {
                let following = Body::starting_at(body.next(), format);
                self.send(tp, std::mem::replace(&mut body, following)).await?;
            }
            body.push(text);
            self.pending += text.len();
        }
        self.bodies.insert(tp.clone(), body);
        while self.bodies.values().map(Body::bytes).sum::<usize>() > buffer_bytes {
            let largest = self.bodies.iter().max_by_key(|(_, body)| body.bytes());
            let Some(tp) = largest.map(|(tp, _)| tp.clone()) else { break };
            self.send_held(&tp).await?;
        }
        Ok(())
    }

    async fn send_held(&mut self, tp: &TopicPartition) -> Result<(), SinkError> {
        match self.bodies.remove(tp) {
            Some(body) if !body.is_empty() => self.send(tp, body).await,
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Delivery for HttpDelivery {
    async fn deliver(&mut self, batch: &SinkBatch, row: u64) -> Result<(), SinkError> {
        let mut rows = std::mem::take(&mut self.rows);
        match &batch.records {
            Records::Columns(columns) => rows.encode(columns).map_err(|e| SinkError::Rejected {
                what: format!("rows of {} have no JSON form: {e}", batch.tp),
            })?,
            Records::Raw { batch, rows: chosen } => rows.copy(batch, chosen)?,
        }
        self.take(&batch.tp, &rows, row).await?;
        self.rows = rows;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        let partitions: Vec<_> = self.bodies.keys().cloned().collect();
        for tp in &partitions {
            self.send_held(tp).await?;
        }
        self.pending = 0;
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.pending
    }

    async fn abort(&mut self) {
        self.bodies.clear();
        self.pending = 0;
    }
}
