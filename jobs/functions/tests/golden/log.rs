//! A stream's fixture as a log: dealt to partitions, out of order, read in uneven batches.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{AsArray, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use millrace_events::StreamSchema;
use millrace_processors::connector::{
    ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId,
};

/// A finite stream in partitions, of which only a part may be there yet.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    partitions: Arc<Vec<RecordBatch>>,
    seed: u64,
    max_rows: usize,
    /// Share of each partition's rows that is there, in percent; the log ends only at 100.
    percent: usize,
    opened: Arc<AtomicU64>,
}

impl Log {
    /// Deals `rows` to the stream's partitions by its key, each row at most the stream's delay
    /// behind a later one of its partition, so that no row is late. Batches have 1 to `max_rows`
    /// rows.
    pub(crate) fn new(
        rows: &RecordBatch,
        stream: &StreamSchema,
        seed: u64,
        max_rows: usize,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = usize::try_from(stream.partitions.max(1)).expect("checked");
        let mut dealt: Vec<Vec<(i64, u64)>> = vec![Vec::new(); count];
        for (row, number) in (0..rows.num_rows()).zip(0_u64..) {
            let partition = match &stream.key {
                Some(key) => hash_of(rows, key, row) % count as u64,
                None => number % count as u64,
            };
            let arrival = arrival(rows, stream, row, &mut rng);
            dealt[usize::try_from(partition).expect("small")].push((arrival, number));
        }
        let partitions = dealt.into_iter().map(|mut order| {
            order.sort_unstable();
            let order: UInt64Array = order.into_iter().map(|(_, row)| row).collect();
            take_record_batch(rows, &order).expect("rows of the fixture")
        });
        let partitions = Arc::new(partitions.collect());
        Self { partitions, seed, max_rows, percent: 100, opened: Arc::default() }
    }

    /// One partition with the rows as they are, one at a time.
    pub(crate) fn in_order(rows: RecordBatch) -> Self {
        let partitions = Arc::new(vec![rows]);
        Self { partitions, seed: 0, max_rows: 1, percent: 100, opened: Arc::default() }
    }

    /// The log while only so many percent of its rows are there: it does not end.
    pub(crate) fn growing(&self, percent: usize) -> Self {
        Self { percent, ..self.clone() }
    }
}

fn hash_of(rows: &RecordBatch, key: &str, row: usize) -> u64 {
    let column = rows.column_by_name(key).expect("the stream's key is a column");
    let mut hasher = DefaultHasher::new();
    array_value_to_string(column, row).expect("a key can be written").hash(&mut hasher);
    hasher.finish()
}

/// When a row comes: its time and up to the stream's delay; without event time any order will do.
fn arrival(rows: &RecordBatch, stream: &StreamSchema, row: usize, rng: &mut StdRng) -> i64 {
    let Some(time) = &stream.event_time else { return rng.random() };
    let column = rows.column_by_name(&time.column).expect("the event time is a column");
    let at = column.as_primitive::<TimestampMicrosecondType>().value(row);
    let delay = i64::try_from(time.delay.as_micros()).expect("a delay of years");
    at + rng.random_range(0..=delay)
}

#[async_trait]
impl SourceFactory for Log {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok((0..self.partitions.len()).map(|split| SplitId(split.to_string())).collect())
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let number = |text: &str| text.parse().expect("a number of ours");
        let cursors = splits.into_iter().map(|(split, position)| {
            Some((number(&split.0), position.map_or(0, |position| number(&position.0))))
        });
        let nth = self.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Reader {
            log: self.clone(),
            columns: columns.to_vec(),
            cursors: cursors.collect(),
            rng: StdRng::seed_from_u64(self.seed.wrapping_mul(31).wrapping_add(nth)),
        }))
    }
}

struct Reader {
    log: Log,
    columns: Vec<usize>,
    /// Partition and next row of each split; `None` when its end was told.
    cursors: Vec<Option<(usize, usize)>>,
    rng: StdRng,
}

impl Reader {
    /// Rows of a partition that are there.
    fn there(&self, partition: usize) -> usize {
        self.log.partitions[partition].num_rows() * self.log.percent / 100
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let whole = self.log.percent == 100;
        let has_news = |cursor: &Option<(usize, usize)>| {
            cursor.is_some_and(|(partition, next)| whole || next < self.there(partition))
        };
        let open: Vec<usize> =
            (0..self.cursors.len()).filter(|at| has_news(&self.cursors[*at])).collect();
        if open.is_empty() {
            return std::future::pending().await;
        }
        let split = open[self.rng.random_range(0..open.len())];
        let (partition, next) = self.cursors[split].expect("open");
        let there = self.there(partition);
        if next == there {
            self.cursors[split] = None;
            return Ok(Read::End { split });
        }
        let count = self.rng.random_range(1..=self.log.max_rows).min(there - next);
        self.cursors[split] = Some((partition, next + count));
        let rows = self.log.partitions[partition].slice(next, count);
        let rows = rows.project(&self.columns).expect("columns of the stream");
        Ok(Read::Rows { split, rows, position: Position((next + count).to_string()) })
    }
}
