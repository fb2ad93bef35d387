//! The thread that polls and decodes: Kafka's client blocks, and both take the processor.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use millrace_bus::Consumer;
use millrace_events::{
    Clock, DeadLetter, Decoded, Decoder, Offset, OffsetRange, RawBatch, TopicPartition,
};
use millrace_processors::connector::{ConnectorError, SplitMeter};

use super::place::Place;
use super::stream::cut;
use crate::error::of_bus;

/// Longest wait for records; so long a reader that was dropped may still poll.
const WAIT: Duration = Duration::from_millis(100);

/// What the thread found.
pub(super) enum Item {
    /// Rows of a split, and what could not be decoded of the same range.
    Rows { split: usize, rows: RecordBatch, place: Place, bytes: u64, dead: Option<Dead> },
    /// A split has had nothing new for its idle time.
    Idle { split: usize },
    /// A split has ended.
    End { split: usize },
}

/// Dead letters of one range.
pub(super) struct Dead {
    pub(super) tp: TopicPartition,
    pub(super) range: OffsetRange,
    pub(super) letters: Vec<DeadLetter>,
}

/// A split as the thread sees it.
pub(super) struct Partition {
    tp: TopicPartition,
    place: Place,
    /// Time polled since the last record. The time spent waiting for the job does not count.
    quiet: Duration,
    idle: bool,
    ended: bool,
    pub(super) meter: Arc<SplitMeter>,
}

impl Partition {
    pub(super) fn new(tp: TopicPartition, place: Place) -> Self {
        let meter = Arc::default();
        Self { tp, place, quiet: Duration::ZERO, idle: false, ended: false, meter }
    }
}

/// A consumer and what is done with its batches.
pub(super) struct Polling {
    pub(super) consumer: Consumer,
    pub(super) decoder: Decoder,
    pub(super) columns: Vec<usize>,
    /// Schema of decoded batches, before the projection to `columns`.
    pub(super) schema: SchemaRef,
    pub(super) idle: Option<Duration>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) partitions: Vec<Partition>,
}

/// Why the thread ends.
enum Stop {
    /// Nobody reads on.
    Unread,
    Failed(ConnectorError),
}

impl From<ConnectorError> for Stop {
    fn from(error: ConnectorError) -> Self {
        Self::Failed(error)
    }
}

type Items = Sender<Result<Item, ConnectorError>>;

impl Polling {
    /// Polls until every split has ended, reading fails or `stop` is cancelled.
    pub(super) fn run(mut self, items: &Items, stop: &CancellationToken) {
        if let Err(Stop::Failed(error)) = self.work(items, stop) {
            // If nobody reads on, nobody wants to know.
            let _ = items.blocking_send(Err(error));
        }
    }

    fn work(&mut self, items: &Items, stop: &CancellationToken) -> Result<(), Stop> {
        self.start(items)?;
        while self.partitions.iter().any(|p| !p.ended) && !stop.is_cancelled() {
            let asked = self.clock.monotonic();
            let batches = self.consumer.poll(WAIT).map_err(of_bus)?;
            let waited = self.clock.monotonic().saturating_sub(asked);
            for partition in &mut self.partitions {
                partition.quiet += waited;
            }
            for batch in batches {
                self.take(&batch, items)?;
            }
            self.measure();
            self.tell_idle(items)?;
        }
        Ok(())
    }

    /// Starts fetching, and tells the place of every split before any of its rows: a checkpoint
    /// from then on knows where the split began and where it ends.
    fn start(&mut self, items: &Items) -> Result<(), Stop> {
        for split in 0..self.partitions.len() {
            let Partition { tp, place, .. } = &self.partitions[split];
            if !place.is_at_end() {
                self.consumer.start_at(tp, Some(place.next)).map_err(of_bus)?;
            }
            let rows = RecordBatch::new_empty(self.schema.clone());
            self.give(split, &rows, 0, None, items)?;
        }
        self.measure();
        Ok(())
    }

    /// Notes where the logs end, as the last fetches said.
    fn measure(&self) {
        for (tp, lag) in self.consumer.lag() {
            if let Some(partition) = self.partitions.iter().find(|p| p.tp == tp) {
                let Place { next, .. } = partition.place;
                let end = Offset(next.0.saturating_add_unsigned(lag));
                partition.meter.ends_at(number(cut(&partition.place, end)));
            }
        }
    }

    fn take(&mut self, raw: &RawBatch, items: &Items) -> Result<(), Stop> {
        let Some(split) = self.partitions.iter().position(|p| p.tp == *raw.tp()) else {
            return Ok(());
        };
        let partition = &mut self.partitions[split];
        if partition.ended {
            return Ok(());
        }
        let range = OffsetRange { next: cut(&partition.place, raw.range().next), ..raw.range() };
        if !raw.is_empty() {
            partition.quiet = Duration::ZERO;
            partition.idle = false;
        }
        partition.place.next = range.next;
        let decoded = self.decoder.decode(raw);
        let (rows, letters) = within(raw, decoded, range.next);
        let dead = (!letters.is_empty()).then(|| Dead { tp: raw.tp().clone(), range, letters });
        self.give(split, &rows, raw.payload_bytes() as u64, dead, items)
    }

    /// Hands over rows, and the end of the split if it is reached.
    fn give(
        &mut self,
        split: usize,
        rows: &RecordBatch,
        bytes: u64,
        dead: Option<Dead>,
        items: &Items,
    ) -> Result<(), Stop> {
        let partition = &mut self.partitions[split];
        let rows = rows.project(&self.columns).map_err(|e| {
            Stop::Failed(ConnectorError::Rejected(format!("{}: {e}", partition.tp)))
        })?;
        let place = partition.place;
        send(items, Item::Rows { split, rows, place, bytes, dead })?;
        if partition.place.is_at_end() {
            partition.meter.ends_at(number(place.next));
            partition.ended = true;
            self.consumer.stop(&partition.tp);
            send(items, Item::End { split })?;
        }
        Ok(())
    }

    fn tell_idle(&mut self, items: &Items) -> Result<(), Stop> {
        let Some(idle) = self.idle else { return Ok(()) };
        let quiet = |p: &Partition| !p.ended && !p.idle && p.quiet >= idle;
        if !self.partitions.iter().any(quiet) {
            return Ok(());
        }
        // Records that are there but were not fetched yet are no silence.
        let lag = self.consumer.lag();
        for (split, partition) in self.partitions.iter_mut().enumerate() {
            let behind = lag.iter().any(|(tp, lag)| *tp == partition.tp && *lag > 0);
            if quiet(partition) && !behind {
                partition.idle = true;
                send(items, Item::Idle { split })?;
            }
        }
        Ok(())
    }
}

/// An offset as the number of a row.
pub(super) fn number(offset: Offset) -> u64 {
    u64::try_from(offset.0).unwrap_or(0)
}

fn send(items: &Items, item: Item) -> Result<(), Stop> {
    items.blocking_send(Ok(item)).map_err(|_| Stop::Unread)
}

/// What of `raw` lies before `end`.
fn within(raw: &RawBatch, decoded: Decoded, end: Offset) -> (RecordBatch, Vec<DeadLetter>) {
    let records = raw.offsets().partition_point(|offset| *offset < end.0);
    let before = |record: u32| (record as usize) < records;
    let rows = decoded.rows.partition_point(|record| before(*record));
    let dead = decoded.dead.into_iter().filter(|(record, _)| before(*record));
    let letters = dead.map(|(record, why)| DeadLetter::of(raw, record as usize, why)).collect();
    (decoded.batch.slice(0, rows), letters)
}
