//! Channels between tasks: what goes through them, who waits for whom, how rows are dealt.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc::{Receiver, Sender};

use millrace_plan::Exchange;
use millrace_state::{KeyGroup, KeyGroups, RowCodec, Rows, hash};

use crate::{Batch, JobError, Micros};

/// Batches that may wait in one channel: enough to keep the reader busy, small enough that a
/// barrier is not long on its way.
pub(crate) const CHANNEL_DEPTH: usize = 4;

/// What goes from task to task, in order.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// Rows.
    Rows(Batch),
    /// Event time has come to this.
    Watermark(Micros),
    /// Nothing will come for a while.
    Idle,
    /// What came before belongs to the checkpoint, what follows does not.
    Barrier(Barrier),
}

/// The mark between two checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// Number of the checkpoint.
    pub(crate) checkpoint: u64,
    /// Nothing follows: tasks end when they have passed it on.
    pub(crate) last: bool,
}

/// One channel into a task.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) port: usize,
    pub(crate) receiver: Receiver<Message>,
}

/// All channels into a task. One that has brought the barrier is not read until all have.
#[derive(Debug)]
pub(crate) struct Inbox {
    channels: Vec<Channel>,
    blocked: Vec<bool>,
    next: usize,
}

impl Inbox {
    pub(crate) fn new(channels: Vec<Channel>) -> Self {
        let blocked = vec![false; channels.len()];
        Self { channels, blocked, next: 0 }
    }

    /// Number of channels.
    pub(crate) fn len(&self) -> usize {
        self.channels.len()
    }

    /// Port that channel `channel` leads to.
    pub(crate) fn port(&self, channel: usize) -> usize {
        self.channels[channel].port
    }

    /// The next message of a channel that is not blocked; channels take turns.
    pub(crate) async fn next(&mut self) -> Result<(usize, Message), JobError> {
        poll_fn(|context| {
            let count = self.channels.len();
            for turn in 0..count {
                let at = (self.next + turn) % count;
                if self.blocked[at] {
                    continue;
                }
                if let Poll::Ready(message) = self.channels[at].receiver.poll_recv(context) {
                    self.next = (at + 1) % count;
                    // A sender that is gone without a last barrier has failed; it says why.
                    return Poll::Ready(message.map(|m| (at, m)).ok_or(JobError::Stopped));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The barrier came through `channel`. True when it has come through all of them, which are
    /// then open again.
    pub(crate) fn barrier(&mut self, channel: usize) -> bool {
        self.blocked[channel] = true;
        let aligned = self.blocked.iter().all(|blocked| *blocked);
        if aligned {
            self.blocked.fill(false);
        }
        aligned
    }
}

/// One edge out of a task: to one instance of the reader, or to all of them.
#[derive(Debug)]
pub(crate) struct OutEdge {
    senders: Vec<Sender<Message>>,
    deal: Deal,
}

#[derive(Debug)]
enum Deal {
    /// There is one sender.
    Forward,
    /// All rows to the first.
    Single,
    /// By key group.
    Hash { columns: Vec<usize>, codec: Arc<RowCodec>, keys: Rows },
}

impl OutEdge {
    /// `schema` is that of the rows sent.
    pub(crate) fn new(
        senders: Vec<Sender<Message>>,
        exchange: &Exchange,
        schema: &SchemaRef,
    ) -> Result<Self, JobError> {
        let deal = match exchange {
            Exchange::Forward => Deal::Forward,
            Exchange::Single => Deal::Single,
            Exchange::Hash(columns) => {
                let types: Vec<_> =
                    columns.iter().map(|c| schema.field(*c).data_type().clone()).collect();
                let codec = Arc::new(RowCodec::new(&types)?);
                Deal::Hash { columns: columns.clone(), codec, keys: Rows::new() }
            }
        };
        Ok(Self { senders, deal })
    }

    /// Sends a message, rows to their instances and all else to everybody.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), JobError> {
        match message {
            Message::Rows(batch) => self.send_rows(batch).await,
            other => {
                for to in 0..self.senders.len() {
                    self.send_to(to, other.clone()).await?;
                }
                Ok(())
            }
        }
    }

    async fn send_rows(&mut self, batch: Batch) -> Result<(), JobError> {
        let parts = match &mut self.deal {
            Deal::Forward | Deal::Single => vec![(0, batch)],
            Deal::Hash { columns, codec, keys } => {
                let picked: Vec<_> =
                    columns.iter().map(|c| Arc::clone(batch.rows.column(*c))).collect();
                keys.clear();
                codec.encode(&picked, keys)?;
                deal(&batch, keys, self.senders.len())?
            }
        };
        for (to, part) in parts {
            self.send_to(to, Message::Rows(part)).await?;
        }
        Ok(())
    }

    async fn send_to(&self, to: usize, message: Message) -> Result<(), JobError> {
        self.senders[to].send(message).await.map_err(|_| JobError::Stopped)
    }
}

/// The rows of each instance, in their order.
fn deal(batch: &Batch, keys: &Rows, instances: usize) -> Result<Vec<(usize, Batch)>, JobError> {
    let mut rows_of = vec![Vec::new(); instances];
    for row in 0..keys.len() {
        let group = KeyGroup::of(hash(keys.get(row)));
        let row = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
        rows_of[KeyGroups::owner(group, instances)].push(row);
    }
    let filled = rows_of.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
    filled.map(|(to, rows)| Ok((to, batch.take(&UInt32Array::from(rows))?))).collect()
}
