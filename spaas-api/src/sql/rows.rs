//! The rows of an answer, as they come: bounded in number and time, with names that are unique.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::SqlLimits;
use super::error::{SqlError, stopped, too_slow};

/// A batch, or the mark after the last one: work that stops without it has failed.
pub(crate) type Piece = Result<Option<RecordBatch>, SqlError>;

/// An answer being read. Dropping it ends the work on it.
pub struct Rows {
    schema: SchemaRef,
    pieces: mpsc::Receiver<Piece>,
    work: Option<AbortOnDropHandle<()>>,
    deadline: Pin<Box<Sleep>>,
    time: Duration,
    left: usize,
    truncated: bool,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Rows {
    pub(crate) fn new(
        schema: &SchemaRef,
        pieces: mpsc::Receiver<Piece>,
        work: AbortOnDropHandle<()>,
        deadline: Instant,
        limits: &SqlLimits,
    ) -> Self {
        Self {
            schema: unique_names(schema),
            pieces,
            work: Some(work),
            deadline: Box::pin(sleep_until(deadline)),
            time: limits.time,
            left: limits.rows,
            truncated: false,
        }
    }

    /// Columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Whether rows were cut off; known once the stream has ended.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Reads everything there is.
    pub async fn collect_all(&mut self) -> Result<Vec<RecordBatch>, SqlError> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await {
            all.push(batch?);
        }
        Ok(all)
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<RecordBatch, SqlError> {
        let fits = batch.num_rows().min(self.left);
        if fits < batch.num_rows() {
            self.truncated = true;
            self.work = None;
        }
        self.left -= fits;
        let columns = batch.slice(0, fits).columns().to_vec();
        let options = RecordBatchOptions::new().with_row_count(Some(fits));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .map_err(|e| SqlError::internal("the rows do not fit their columns", &e))
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, SqlError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.work.is_none() {
            return Poll::Ready(None);
        }
        if this.deadline.poll_unpin(cx).is_ready() {
            this.work = None;
            return Poll::Ready(Some(Err(too_slow(this.time))));
        }
        let item = match ready!(this.pieces.poll_recv(cx)) {
            Some(Ok(Some(batch))) => this.take(&batch),
            Some(Ok(None)) => {
                this.work = None;
                return Poll::Ready(None);
            }
            Some(Err(error)) => Err(error),
            None => Err(stopped()),
        };
        if item.is_err() {
            this.work = None;
        }
        Poll::Ready(Some(item))
    }
}

/// Columns of one name get `_2`, `_3` … after it: most formats cannot hold twins.
fn unique_names(schema: &SchemaRef) -> SchemaRef {
    let mut seen = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        let mut name = field.name().clone();
        let mut n = 1;
        while !seen.insert(name.clone()) {
            n += 1;
            name = format!("{}_{n}", field.name());
        }
        // A question's columns carry no storage metadata outside, and arrays with nulls always fit.
        Field::new(name, field.data_type().clone(), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
