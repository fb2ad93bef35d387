//! The rows of an answer, as they come: bounded in number and time, with names that are unique.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::{SqlError, SqlErrorKind};

/// An answer being read. Dropping it ends the work on it.
pub struct Rows {
    schema: SchemaRef,
    batches: Pin<Box<dyn Stream<Item = Result<RecordBatch, SqlError>> + Send>>,
    deadline: Pin<Box<Sleep>>,
    time: Duration,
    left: usize,
    truncated: bool,
    done: bool,
    // Counts the question as running for as long as somebody reads it.
    _slot: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// What bounds an answer.
pub(crate) struct Bounds {
    pub(crate) deadline: Instant,
    pub(crate) time: Duration,
    pub(crate) rows: usize,
    pub(crate) slot: OwnedSemaphorePermit,
}

impl Rows {
    pub(crate) fn new(sql: &str, answer: SendableRecordBatchStream, bounds: Bounds) -> Self {
        let schema = unique_names(&answer.schema());
        let sql = sql.to_owned();
        let batches =
            answer.map(move |batch| batch.map_err(|e| SqlError::from_datafusion(&sql, &e)));
        Self::over(schema, batches.boxed(), bounds)
    }

    pub(crate) fn of_batch(batch: RecordBatch, bounds: Bounds) -> Self {
        let schema = batch.schema();
        Self::over(schema, stream::iter([Ok(batch)]).boxed(), bounds)
    }

    fn over(
        schema: SchemaRef,
        batches: Pin<Box<dyn Stream<Item = Result<RecordBatch, SqlError>> + Send>>,
        bounds: Bounds,
    ) -> Self {
        Self {
            schema,
            batches,
            deadline: Box::pin(sleep_until(bounds.deadline)),
            time: bounds.time,
            left: bounds.rows,
            truncated: false,
            done: false,
            _slot: bounds.slot,
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
            self.done = true;
        }
        self.left -= fits;
        let columns = batch.slice(0, fits).columns().to_vec();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(fits));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .map_err(|e| SqlError::internal("the rows do not fit their columns", &e))
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, SqlError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        if this.deadline.poll_unpin(cx).is_ready() {
            this.done = true;
            return Poll::Ready(Some(Err(too_slow(this.time))));
        }
        let item = match ready!(this.batches.poll_next_unpin(cx)) {
            None => {
                this.done = true;
                return Poll::Ready(None);
            }
            Some(Ok(batch)) => this.take(&batch),
            Some(Err(error)) => Err(error),
        };
        this.done |= item.is_err();
        Poll::Ready(Some(item))
    }
}

pub(crate) fn too_slow(time: Duration) -> SqlError {
    SqlError::new(SqlErrorKind::Time, format!("no full answer within {time:?}"))
        .hint("filter on a partition column, or aggregate")
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
