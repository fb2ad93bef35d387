//! Partitions coming and going: tells every route of the topic, and waits for commits before they
//! go.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use millrace_bus::Rebalance;
use millrace_events::{Clock, Probe, Step, TopicPartition};

use crate::feed::Feed;
use crate::status::Board;

/// Orders waiting in front of a route; a rebalance makes one or two.
pub(crate) const CONTROL_QUEUE: usize = 256;

/// What a route is told.
#[derive(Debug)]
pub(crate) enum Control {
    /// These partitions are ours: claim them.
    Claim(Vec<TopicPartition>),
    /// These partitions go.
    Release {
        partitions: Vec<TopicPartition>,
        /// Whether what is written may still be committed; not when they are already lost.
        commit: bool,
        /// Dropped or sent when done.
        done: oneshot::Sender<()>,
    },
}

/// A route as the reader sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) feed: Arc<Feed>,
    pub(crate) columns: bool,
    pub(crate) control: mpsc::Sender<Control>,
}

/// A partition that is ours and not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) tp: TopicPartition,
    pub(crate) since: Duration,
}

/// What changed since the reader last looked.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) gone: Vec<TopicPartition>,
}

/// Is called by the consumer, on the reader's thread, whenever partitions move.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) links: Vec<Link>,
    pub(crate) runtime: Handle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) patience: Duration,
    pub(crate) changes: Mutex<Changes>,
    pub(crate) board: Arc<Board>,
}

impl Handover {
    pub(crate) fn changes(&self) -> std::sync::MutexGuard<'_, Changes> {
        self.changes.lock().expect("no holder of this lock panics")
    }

    /// Routes of one topic, with their number.
    pub(crate) fn of_topic<'a>(
        &'a self,
        topic: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Link)> + 'a {
        self.links.iter().enumerate().filter(move |(_, link)| &*link.feed.topic == topic)
    }

    /// Takes `partitions` from every route and waits until each has committed or dropped its rows.
    pub(crate) fn release(&self, partitions: &[TopicPartition], commit: bool) {
        let mut waits = Vec::new();
        for link in &self.links {
            let theirs: Vec<_> =
                partitions.iter().filter(|tp| tp.topic == link.feed.topic).cloned().collect();
            if theirs.is_empty() {
                continue;
            }
            for tp in &theirs {
                link.feed.revoked(tp);
            }
            let (done, wait) = oneshot::channel();
            self.tell(link, Control::Release { partitions: theirs, commit, done });
            waits.push(wait);
        }
        let all = async { tokio::time::timeout(self.patience, join_all(waits)).await };
        if self.runtime.block_on(all).is_err() {
            // Safe: the next owner's epoch fences off whatever the slow route still tries to
            // commit.
            warn!(?partitions, "a route did not commit in time; its rows will be read again");
        }
        let mut changes = self.changes();
        changes.waiting.retain(|w| !partitions.contains(&w.tp));
        changes.gone.extend(partitions.iter().cloned());
    }

    fn tell(&self, link: &Link, control: Control) {
        let sent = self.runtime.block_on(async {
            tokio::time::timeout(self.patience, link.control.send(control)).await
        });
        if !matches!(sent, Ok(Ok(()))) {
            warn!(route = %link.feed.route, "the route does not take orders");
        }
    }
}

impl Rebalance for Handover {
    fn assigned(&self, partitions: &[TopicPartition]) {
        info!(?partitions, "partitions assigned");
        let since = self.clock.monotonic();
        // At once: between now and the reader's next report nobody may think that all is read.
        self.board.router(|status| {
            status.assigned = true;
            status.waiting += partitions.len();
        });
        for link in &self.links {
            let ours: Vec<_> =
                partitions.iter().filter(|tp| tp.topic == link.feed.topic).cloned().collect();
            if !ours.is_empty() {
                for tp in &ours {
                    link.feed.assigned(tp);
                }
                self.tell(link, Control::Claim(ours));
            }
        }
        self.probe.reached(Step::DuringRebalance);
        let waiting = partitions.iter().map(|tp| Waiting { tp: tp.clone(), since });
        self.changes().waiting.extend(waiting);
    }

    fn revoked(&self, partitions: &[TopicPartition]) {
        info!(?partitions, "partitions revoked");
        self.probe.reached(Step::DuringRebalance);
        self.release(partitions, true);
    }

    fn lost(&self, partitions: &[TopicPartition]) {
        warn!(?partitions, "partitions lost: this process was away for too long");
        self.release(partitions, false);
    }
}
