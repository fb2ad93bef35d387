//! The reader: takes what the thread found, in order, and hands on dead letters before the rows.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use millrace_events::StreamName;
use millrace_processors::connector::{ConnectorError, Position, Read, SourceReader, SplitMeter};

use super::dead::DeadLetterHook;
use super::polling::{Dead, Item, Polling, number};

/// Batches decoded ahead of the job.
const AHEAD: usize = 4;

/// Reads splits of a stream. Dropping it stops the thread, which ends after the poll it is in.
pub(super) struct Reader {
    items: Receiver<Result<Item, ConnectorError>>,
    /// Taken and not yet given: its dead letters are being handed on.
    held: Option<Item>,
    stream: StreamName,
    hook: Arc<dyn DeadLetterHook>,
    /// Splits that have not ended.
    open: usize,
    meters: Vec<Arc<SplitMeter>>,
    _thread: JoinSet<()>,
    _stop: DropGuard,
}

impl Reader {
    /// Starts the thread.
    pub(super) fn start(
        polling: Polling,
        stream: StreamName,
        hook: Arc<dyn DeadLetterHook>,
    ) -> Self {
        let (sender, items) = channel(AHEAD);
        let stop = CancellationToken::new();
        let meters: Vec<_> = polling.partitions.iter().map(|p| p.meter.clone()).collect();
        let (open, mut thread) = (meters.len(), JoinSet::new());
        let stopped = stop.clone();
        thread.spawn_blocking(move || polling.run(&sender, &stopped));
        let stop = stop.drop_guard();
        Self { items, held: None, stream, hook, open, meters, _thread: thread, _stop: stop }
    }

    async fn bury(&self, dead: &Dead) -> Result<(), ConnectorError> {
        self.hook.take(&dead.tp, dead.range, &dead.letters).await
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if self.held.is_none() {
            if self.open == 0 {
                return std::future::pending().await;
            }
            let Some(item) = self.items.recv().await else {
                let what = format!("read stream `{}`", self.stream);
                return Err(ConnectorError::retry(what, "the reading thread is gone"));
            };
            self.held = Some(item?);
        }
        if let Some(Item::Rows { dead: Some(dead), .. }) = &self.held {
            self.bury(dead).await?;
        }
        Ok(match self.held.take().expect("taken above") {
            Item::Rows { split, rows, place, bytes, dead } => {
                let meter = &self.meters[split];
                meter.gave(bytes, dead.map_or(0, |dead| dead.letters.len() as u64));
                meter.is_at(number(place.next));
                Read::Rows { split, rows, position: Position(place.to_string()) }
            }
            Item::Idle { split } => Read::Idle { split },
            Item::End { split } => {
                self.open -= 1;
                Read::End { split }
            }
        })
    }

    fn meters(&self) -> Vec<Arc<SplitMeter>> {
        self.meters.clone()
    }
}
