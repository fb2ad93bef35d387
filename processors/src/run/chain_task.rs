//! Runs a chain of operators on what comes through channels.

use std::sync::Arc;

use super::channel::{Barrier, Inbox, Message};
use super::output::Pipeline;
use super::step::{JobProbe, JobStep};
use super::watermarks::{TimeChange, WatermarkMerge};
use crate::{JobError, NO_WATERMARK};

/// One instance of a chain.
pub(crate) struct ChainTask {
    pub(crate) inbox: Inbox,
    /// Number of ports of the head.
    pub(crate) ports: usize,
    pub(crate) pipeline: Pipeline,
    pub(crate) probe: Arc<dyn JobProbe>,
}

impl ChainTask {
    /// Works until the last barrier has come through every channel.
    pub(crate) async fn run(mut self) -> Result<(), JobError> {
        let mut times = PortTimes::new(&self.inbox, self.ports);
        loop {
            let (channel, message) = self.inbox.next().await?;
            match message {
                Message::Rows(batch) => {
                    self.pipeline.chain.rows(self.inbox.port(channel), batch)?;
                    self.pipeline.flush().await?;
                }
                Message::Watermark(watermark) => {
                    self.time(times.change(channel, TimeChange::Watermark(watermark))).await?;
                }
                Message::Idle => self.time(times.change(channel, TimeChange::Idle)).await?,
                Message::Barrier(barrier) => {
                    if self.inbox.barrier(channel) {
                        self.aligned(barrier).await?;
                        if barrier.last {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    async fn time(&mut self, change: Option<(usize, TimeChange)>) -> Result<(), JobError> {
        let Some((port, change)) = change else { return Ok(()) };
        self.pipeline.chain.time(port, change)?;
        self.pipeline.flush().await
    }

    async fn aligned(&mut self, barrier: Barrier) -> Result<(), JobError> {
        self.probe.reached(JobStep::Aligned)?;
        self.pipeline.barrier(barrier).await
    }
}

/// Event time of each port: the minimum of the channels that lead to it.
#[derive(Debug)]
struct PortTimes {
    /// Channel → (port, position among the channels of the port).
    places: Vec<(usize, usize)>,
    ports: Vec<WatermarkMerge>,
}

impl PortTimes {
    fn new(inbox: &Inbox, ports: usize) -> Self {
        let mut count = vec![0; ports];
        let places = (0..inbox.len())
            .map(|channel| {
                let port = inbox.port(channel);
                count[port] += 1;
                (port, count[port] - 1)
            })
            .collect();
        let ports = count.into_iter().map(|n| WatermarkMerge::new(n, NO_WATERMARK)).collect();
        Self { places, ports }
    }

    fn change(&mut self, channel: usize, change: TimeChange) -> Option<(usize, TimeChange)> {
        let (port, at) = self.places[channel];
        let merged = match change {
            TimeChange::Watermark(watermark) => self.ports[port].watermark(at, watermark),
            TimeChange::Idle => self.ports[port].idle(at),
        };
        merged.map(|change| (port, change))
    }
}
