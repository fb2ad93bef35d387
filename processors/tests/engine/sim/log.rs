//! A log in memory, read in batches and in an order of partitions that a seed chooses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use millrace_processors::connector::{
    ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId,
};

/// A finite stream in partitions.
#[derive(Debug, Clone)]
pub(crate) struct SimLog {
    partitions: Arc<Vec<RecordBatch>>,
    seed: u64,
    max_rows: usize,
    opened: Arc<AtomicU64>,
    /// Rows of each partition that are there yet.
    until: Option<usize>,
}

impl SimLog {
    /// Batches have 1 to `max_rows` rows.
    pub(crate) fn new(partitions: Vec<RecordBatch>, seed: u64, max_rows: usize) -> Self {
        let opened = Arc::new(AtomicU64::new(0));
        Self { partitions: Arc::new(partitions), seed, max_rows, opened, until: None }
    }

    /// The log while only the first `rows` rows of each partition are there: it does not end.
    pub(crate) fn growing(&self, rows: usize) -> Self {
        Self { until: Some(rows), ..self.clone() }
    }
}

#[async_trait]
impl SourceFactory for SimLog {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok((0..self.partitions.len()).map(|split| SplitId(format!("p{split}"))).collect())
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let cursors = splits.into_iter().map(|(split, position)| {
            let partition = split.0[1..].parse().expect("a split of ours");
            let next = position.map_or(0, |p| p.0.parse().expect("a position of ours"));
            (partition, next)
        });
        // Every reader has an order of its own, the same for the same seed.
        let nth = self.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Reader {
            log: self.clone(),
            columns: columns.to_vec(),
            cursors: cursors.collect::<Vec<_>>().into_iter().map(Some).enumerate().collect(),
            rng: StdRng::seed_from_u64(self.seed.wrapping_mul(31).wrapping_add(nth)),
        }))
    }
}

#[derive(Debug)]
struct Reader {
    log: SimLog,
    columns: Vec<usize>,
    /// (split, partition and next row; `None` when its end was told).
    cursors: Vec<(usize, Option<(usize, usize)>)>,
    rng: StdRng,
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let more = |(partition, next): (usize, usize)| {
            let there = self.log.partitions[partition].num_rows();
            self.log.until.is_none_or(|until| next < until.min(there))
        };
        let open: Vec<usize> =
            (0..self.cursors.len()).filter(|at| self.cursors[*at].1.is_some_and(more)).collect();
        if open.is_empty() {
            return std::future::pending().await;
        }
        let (split, cursor) = &mut self.cursors[open[self.rng.random_range(0..open.len())]];
        let (partition, next) = cursor.expect("open");
        let rows = &self.log.partitions[partition];
        if next == rows.num_rows() {
            *cursor = None;
            return Ok(Read::End { split: *split });
        }
        let end = self.log.until.map_or(rows.num_rows(), |until| until.min(rows.num_rows()));
        let count = self.rng.random_range(1..=self.log.max_rows).min(end - next);
        *cursor = Some((partition, next + count));
        let rows = rows.slice(next, count).project(&self.columns).expect("columns of the log");
        Ok(Read::Rows { split: *split, rows, position: Position((next + count).to_string()) })
    }
}
