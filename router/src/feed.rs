//! Who feeds a route, per partition, and from where: the seam between the shared reader and a
//! route's own.
//!
//! Every (route, partition) is fed by nobody, by the shared reader, or by the route's catch-up
//! reader. A hand-over from the catch-up reader happens only when it has sent everything the shared
//! reader has already passed, so no offset is skipped; a route drops what it already has, so none
//! counts twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, mpsc};

use millrace_events::{Budget, Offset, Reservation, RouteName, TopicPartition};

use crate::convert::Shared;

/// Batches waiting in front of a route, at most; their bytes are bounded by the queue's budget.
pub(crate) const QUEUE_BATCHES: usize = 256;

/// Who sends a partition to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The route has not claimed the partition (yet, or again).
    Nobody,
    /// The reader all routes share.
    Main,
    /// The route's own reader, behind the shared one.
    CatchUp,
}

/// One partition as one route sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) source: Source,
    /// Which claim the batches belong to; the route drops those of an older one.
    pub(crate) claim: u64,
    /// Next offset to send; `None` starts where the log starts.
    pub(crate) sent: Option<Offset>,
    /// Next offset the shared reader will come to; `None` before it started.
    pub(crate) main_next: Option<Offset>,
}

/// Where a route that claimed a partition wants to be fed from; in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stand {
    /// Where the log starts.
    Start,
    At(Offset),
}

/// Who should feed a partition whose route wants `sent` next. Pure.
pub(crate) fn source_for(sent: Option<Offset>, main_next: Option<Offset>) -> Source {
    match (sent, main_next) {
        (Some(sent), Some(main)) if sent >= main => Source::Main,
        (_, None) => Source::Main,
        _ => Source::CatchUp,
    }
}

/// A batch on its way to a route.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) tp: TopicPartition,
    pub(crate) claim: u64,
    pub(crate) shared: Arc<Shared>,
    _queued: Reservation,
}

/// Room for one batch in a route's queue.
#[derive(Debug)]
pub(crate) struct Room {
    slot: mpsc::OwnedPermit<Fed>,
    queued: Reservation,
}

/// The feed of one route.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) route: RouteName,
    pub(crate) topic: Arc<str>,
    queue: Budget,
    tx: mpsc::Sender<Fed>,
    entries: Mutex<HashMap<TopicPartition, Entry>>,
    /// Woken when a partition needs catching up.
    pub(crate) behind: Notify,
}

impl Feed {
    pub(crate) fn new(
        route: RouteName,
        topic: Arc<str>,
        queue: Budget,
    ) -> (Arc<Self>, mpsc::Receiver<Fed>) {
        let (tx, rx) = mpsc::channel(QUEUE_BATCHES);
        let feed = Self {
            route,
            topic,
            queue,
            tx,
            entries: Mutex::new(HashMap::new()),
            behind: Notify::new(),
        };
        (Arc::new(feed), rx)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<TopicPartition, Entry>> {
        self.entries.lock().expect("no holder of this lock panics")
    }

    /// Waits for room for a batch of `bytes`.
    pub(crate) async fn room(&self, bytes: usize) -> Option<Room> {
        let slot = self.tx.clone().reserve_owned().await.ok()?;
        Some(Room { slot, queued: self.queue.reserve(bytes).await })
    }

    /// Room for a batch of `bytes` if there is some now.
    pub(crate) fn try_room(&self, bytes: usize) -> Option<Room> {
        let slot = self.tx.clone().try_reserve_owned().ok()?;
        let queued = match self.queue.try_reserve(bytes) {
            Some(queued) => queued,
            // A batch larger than the whole queue passes alone, or it would wait for ever.
            None if self.queue.used() == 0 => {
                let mut queued = self.queue.try_reserve(0)?;
                queued.resize(bytes);
                queued
            }
            None => return None,
        };
        Some(Room { slot, queued })
    }

    /// The partition was given to this process; nobody feeds it until the route has claimed it.
    pub(crate) fn assigned(&self, tp: &TopicPartition) {
        let entry = Entry { source: Source::Nobody, claim: 0, sent: None, main_next: None };
        self.entries().insert(tp.clone(), entry);
    }

    /// The partition was taken from this process.
    pub(crate) fn revoked(&self, tp: &TopicPartition) {
        self.entries().remove(tp);
    }

    /// Nobody feeds the route until it has claimed again.
    pub(crate) fn stop(&self) {
        self.entries().values_mut().for_each(|e| e.source = Source::Nobody);
    }

    /// The route claimed `tp` and wants `next`; `false` when the partition is no longer ours.
    pub(crate) fn start(&self, tp: &TopicPartition, claim: u64, next: Option<Offset>) -> bool {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(tp) else { return false };
        *entry = Entry { claim, sent: next, source: source_for(next, entry.main_next), ..*entry };
        if entry.source == Source::CatchUp {
            self.behind.notify_one();
        }
        true
    }

    /// The shared reader starts `tp` at `at`.
    pub(crate) fn main_starts(&self, tp: &TopicPartition, at: Offset) {
        if let Some(entry) = self.entries().get_mut(tp) {
            entry.main_next = Some(at);
            if entry.source != Source::Nobody {
                entry.sent = entry.sent.or(Some(at));
                entry.source = source_for(entry.sent, entry.main_next);
                if entry.source == Source::CatchUp {
                    self.behind.notify_one();
                }
            }
        }
    }

    /// Where the route stands, if it has claimed `tp`.
    pub(crate) fn claimed(&self, tp: &TopicPartition) -> Option<Stand> {
        let entries = self.entries();
        let entry = entries.get(tp).filter(|e| e.source != Source::Nobody)?;
        Some(entry.sent.map_or(Stand::Start, Stand::At))
    }

    /// Whether the shared reader feeds `tp`.
    pub(crate) fn wants_main(&self, tp: &TopicPartition) -> bool {
        self.entries().get(tp).is_some_and(|e| e.source == Source::Main)
    }

    /// The shared reader passes a batch: sends it if it is the one that feeds, and moves on either
    /// way. A route that is passed by without room for the batch is fed by its own reader from here
    /// on.
    pub(crate) fn pass(&self, shared: &Arc<Shared>, room: Option<Room>) {
        let (tp, range) = (shared.raw.tp(), shared.raw.range());
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(tp) else { return };
        match (entry.source, room) {
            (Source::Main, Some(room)) => {
                entry.sent = Some(range.next);
                room.send(tp, entry.claim, shared);
            }
            (Source::Main, None) => {
                entry.source = Source::CatchUp;
                self.behind.notify_one();
            }
            _ => {}
        }
        entry.main_next = Some(range.next);
    }

    /// Partitions the catch-up reader feeds, their claims, and where each goes on.
    pub(crate) fn catching_up(&self) -> Vec<(TopicPartition, u64, Option<Offset>)> {
        let entries = self.entries();
        let behind = entries.iter().filter(|(_, e)| e.source == Source::CatchUp);
        behind.map(|(tp, e)| (tp.clone(), e.claim, e.sent)).collect()
    }

    /// The catch-up reader sends a batch of `claim`; hands over when it has reached the shared
    /// reader. `false`: it must not read this partition any more.
    pub(crate) fn catch_up(&self, shared: &Arc<Shared>, claim: u64, room: Room) -> bool {
        let (tp, range) = (shared.raw.tp(), shared.raw.range());
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(tp) else { return false };
        if entry.source != Source::CatchUp || entry.claim != claim {
            return false;
        }
        entry.sent = Some(range.next);
        room.send(tp, claim, shared);
        let reached = entry.main_next.is_some_and(|main| range.next >= main);
        if reached {
            entry.source = Source::Main;
        }
        !reached
    }
}

impl Room {
    fn send(self, tp: &TopicPartition, claim: u64, shared: &Arc<Shared>) {
        let shared = Arc::clone(shared);
        self.slot.send(Fed { tp: tp.clone(), claim, shared, _queued: self.queued });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_reader_feeds_only_who_has_everything_below_it() {
        let at = |n| Some(Offset(n));
        assert_eq!(source_for(at(5), at(5)), Source::Main);
        assert_eq!(source_for(at(9), at(5)), Source::Main);
        assert_eq!(source_for(at(4), at(5)), Source::CatchUp);
        assert_eq!(source_for(None, at(5)), Source::CatchUp);
        assert_eq!(source_for(None, None), Source::Main);
    }

    #[test]
    fn a_route_that_stopped_catches_up_from_its_ledger() {
        let budget = Budget::new("q", 1 << 20);
        let (feed, _rx) = Feed::new("r".parse().expect("valid"), "t".into(), budget);
        let tp = TopicPartition::new("t", 0);
        feed.assigned(&tp);
        assert_eq!(feed.claimed(&tp), None);
        assert!(feed.start(&tp, 1, Some(Offset(10))));
        feed.main_starts(&tp, Offset(10));
        assert!(feed.wants_main(&tp));
        feed.stop();
        assert!(!feed.wants_main(&tp));
        assert!(feed.start(&tp, 2, Some(Offset(4))));
        assert_eq!(feed.catching_up(), [(tp.clone(), 2, Some(Offset(4)))]);
        feed.revoked(&tp);
        assert!(!feed.start(&tp, 3, None), "a partition that is gone is not started");
    }
}
