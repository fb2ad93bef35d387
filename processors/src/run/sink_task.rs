//! Writes one instance of a sink, and prepares at barriers.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::channel::{Inbox, Message};
use super::flow::SinkGauge;
use super::report::{Report, report};
use super::status::TaskGauge;
use super::step::{JobProbe, JobStep};
use super::tail::Tap;
use crate::JobError;
use crate::connector::SinkWriter;

/// One instance of a sink.
pub(crate) struct SinkTask {
    pub(crate) sink: String,
    pub(crate) inbox: Inbox,
    pub(crate) writer: Box<dyn SinkWriter>,
    pub(crate) reports: Sender<Report>,
    pub(crate) probe: Arc<dyn JobProbe>,
    pub(crate) gauge: Arc<TaskGauge>,
    pub(crate) flow: Arc<SinkGauge>,
    pub(crate) tap: Arc<Tap>,
}

impl SinkTask {
    /// Writes until the last barrier.
    pub(crate) async fn run(mut self) -> Result<(), JobError> {
        loop {
            let (channel, message) = self.inbox.next().await?;
            match message {
                Message::Rows(batch) => {
                    self.gauge.written(batch.len());
                    self.flow.written(batch.len());
                    let shown = self.tap.is_heard().then(|| batch.clone());
                    self.writer.write(batch).await?;
                    if let Some(shown) = shown {
                        self.tap.show(&self.sink, &shown);
                    }
                    self.flow.bytes(self.writer.bytes());
                }
                Message::Watermark(watermark) => self.gauge.watermark(watermark),
                Message::Idle => {}
                Message::Barrier(barrier) => {
                    if !self.inbox.barrier(channel) {
                        continue;
                    }
                    let checkpoint = barrier.checkpoint;
                    let prepared = self.writer.prepare(checkpoint).await?;
                    self.flow.bytes(self.writer.bytes());
                    self.probe.reached(JobStep::Prepared)?;
                    let sink = self.sink.clone();
                    report(&self.reports, Report::Prepared { checkpoint, sink, prepared }).await?;
                    if barrier.last {
                        return Ok(());
                    }
                }
            }
        }
    }
}
