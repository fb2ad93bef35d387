//! Reads the splits of one instance of a source, and marks checkpoints in what it sends.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::TimestampMicrosecondType;
use tokio::sync::mpsc::{Receiver, Sender};

use millrace_plan::OperatorId;

use super::channel::Barrier;
use super::flow::SourceGauge;
use super::output::Pipeline;
use super::report::{Report, SplitState, report};
use super::step::{JobProbe, JobStep};
use super::watermarks::{SplitTime, TimeChange, WatermarkMerge};
use crate::connector::{Position, Read, SourceReader, SplitId};
use crate::{Batch, JobError, Micros, NO_WATERMARK};

/// Orders to a source task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// Take positions and send this barrier.
    Barrier(Barrier),
    /// Read no more: event time has come to its end.
    Drain,
}

/// A split and how far it was read.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) id: SplitId,
    pub(crate) position: Option<Position>,
    pub(crate) time: SplitTime,
    pub(crate) ended: bool,
}

/// One instance of a source.
pub(crate) struct SourceTask {
    pub(crate) source: OperatorId,
    pub(crate) reader: Box<dyn SourceReader>,
    pub(crate) splits: Vec<Split>,
    /// Event-time column of the rows read.
    pub(crate) event_time: Option<usize>,
    pub(crate) orders: Receiver<Order>,
    pub(crate) reports: Sender<Report>,
    pub(crate) pipeline: Pipeline,
    pub(crate) gauge: Arc<SourceGauge>,
    pub(crate) probe: Arc<dyn JobProbe>,
}

impl SourceTask {
    /// Reads until the last barrier.
    pub(crate) async fn run(mut self) -> Result<(), JobError> {
        let mut time = WatermarkMerge::new(self.splits.len(), NO_WATERMARK);
        // What was known before a restart is known before the first row.
        for split in 0..self.splits.len() {
            let change = self.advance(split, &mut time);
            self.pass_time(change).await?;
        }
        if self.splits.is_empty() {
            self.exhausted().await?;
        }
        loop {
            let reading = self.splits.iter().any(|split| !split.ended);
            tokio::select! {
                biased;
                order = self.orders.recv() => match order.ok_or(JobError::Stopped)? {
                    Order::Barrier(barrier) => {
                        self.barrier(barrier).await?;
                        if barrier.last {
                            return Ok(());
                        }
                    }
                    Order::Drain => {
                        for split in 0..self.splits.len() {
                            self.end_split(split, &mut time).await?;
                        }
                    }
                },
                read = self.reader.next(), if reading => self.read(read?, &mut time).await?,
            }
        }
    }

    async fn read(&mut self, read: Read, time: &mut WatermarkMerge) -> Result<(), JobError> {
        match read {
            Read::Rows { split, rows, position } => {
                self.probe.reached(JobStep::RowsRead)?;
                self.splits[split].position = Some(position);
                self.rows(split, rows, time).await
            }
            Read::Idle { split } => {
                self.gauge.idle(split);
                let change = time.idle(split);
                self.pass_time(change).await
            }
            Read::End { split } => self.end_split(split, time).await,
        }
    }

    async fn rows(
        &mut self,
        split: usize,
        rows: RecordBatch,
        time: &mut WatermarkMerge,
    ) -> Result<(), JobError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.gauge.read(split, rows.num_rows());
        let seen = self.event_time.and_then(|column| span(&rows, column));
        if let Some((least, _)) = seen
            && least < self.splits[split].time.watermark()
        {
            let column = self.event_time.expect("a span was read from it");
            let late = count_before(&rows, column, self.splits[split].time.watermark());
            self.gauge.late(split, late);
        }
        self.pipeline.chain.rows(0, Batch::append(rows))?;
        self.pipeline.flush().await?;
        if let Some((_, greatest)) = seen {
            self.splits[split].time.seen(greatest);
            let change = self.advance(split, time);
            self.pass_time(change).await?;
        }
        Ok(())
    }

    /// Tells the watermark of a split, and what it changes for all together.
    fn advance(&self, split: usize, time: &mut WatermarkMerge) -> Option<TimeChange> {
        let watermark = self.splits[split].time.watermark();
        self.gauge.watermark(split, watermark);
        time.watermark(split, watermark)
    }

    async fn end_split(&mut self, split: usize, time: &mut WatermarkMerge) -> Result<(), JobError> {
        if self.splits[split].ended {
            return Ok(());
        }
        self.splits[split].ended = true;
        self.splits[split].time.ended();
        let change = self.advance(split, time);
        self.pass_time(change).await?;
        if self.splits.iter().all(|split| split.ended) {
            report(&self.reports, Report::Exhausted).await?;
        }
        Ok(())
    }

    /// An instance without splits holds nobody back.
    async fn exhausted(&mut self) -> Result<(), JobError> {
        self.pass_time(Some(TimeChange::Watermark(crate::END_OF_TIME))).await?;
        report(&self.reports, Report::Exhausted).await
    }

    async fn pass_time(&mut self, change: Option<TimeChange>) -> Result<(), JobError> {
        let Some(change) = change else { return Ok(()) };
        self.pipeline.chain.time(0, change)?;
        self.pipeline.flush().await
    }

    async fn barrier(&mut self, barrier: Barrier) -> Result<(), JobError> {
        let splits = self.splits.iter().map(|split| SplitState {
            split: split.id.clone(),
            position: split.position.clone(),
            watermark: split.time.watermark(),
        });
        let positions = Report::Positions {
            checkpoint: barrier.checkpoint,
            source: self.source.clone(),
            splits: splits.collect(),
        };
        self.probe.reached(JobStep::PositionsTaken)?;
        self.pipeline.barrier(barrier).await?;
        report(&self.reports, positions).await
    }
}

/// Least and greatest event time of a batch, NULL aside.
fn span(rows: &RecordBatch, column: usize) -> Option<(Micros, Micros)> {
    let times = rows.column(column).as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((min(times)?, max(times)?))
}

fn count_before(rows: &RecordBatch, column: usize, watermark: Micros) -> u64 {
    let times = rows.column(column).as_primitive::<TimestampMicrosecondType>();
    let late = times.iter().flatten().filter(|time| *time < watermark).count();
    late as u64
}
