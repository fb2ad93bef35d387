//! What a router can tell about itself at any moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;

use millrace_events::{Offset, RouteName, TopicPartition};
use millrace_sinks::Ledger;

/// How a route is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RouteState {
    /// It has not claimed its first partition.
    #[default]
    Starting,
    /// Its sink takes what it is given.
    Running,
    /// Its sink refused; the route waits and tries again. Other routes are not affected.
    Failing {
        /// What the sink said last.
        error: String,
        /// How often in a row.
        attempts: u32,
    },
}

/// One partition as one route stands on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// What is committed.
    pub ledger: Ledger,
    /// Next offset the route expects; beyond the ledger by what is not committed yet.
    pub next: Option<Offset>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RouteStatus {
    /// How it is doing.
    #[serde(flatten)]
    pub state: RouteState,
    /// The topic it reads.
    pub topic: String,
    /// Partitions it owns in this process.
    pub partitions: BTreeMap<String, PartitionStatus>,
    /// Commits of this process.
    pub commits: u64,
}

impl RouteStatus {
    /// Whether the partition, written `topic/number`, is one of the route's topic.
    fn reads(&self, tp: &str) -> bool {
        tp.rsplit_once('/').is_some_and(|(topic, _)| topic == self.topic)
    }
}

/// Everything a router knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RouterStatus {
    /// By route name.
    pub routes: BTreeMap<String, RouteStatus>,
    /// Records the log holds beyond what the shared reader has read, per partition read here.
    pub lag: BTreeMap<String, u64>,
    /// Whether partitions were given to this process since it connected.
    pub assigned: bool,
    /// Partitions given to this process that are not read yet.
    pub waiting: usize,
    /// How often `lag` was taken; while it stands still, so does the reader.
    pub reports: u64,
    /// Why the log cannot be read, while it cannot.
    pub broker: Option<String>,
}

impl RouterStatus {
    /// Whether every record of the log is committed by every route.
    pub fn caught_up(&self) -> bool {
        self.assigned
            && self.waiting == 0
            && self.broker.is_none()
            && self.lag.values().all(|lag| *lag == 0)
            && self.routes.values().all(|route| {
                route.state == RouteState::Running
                    && self
                        .lag
                        .keys()
                        .filter(|tp| route.reads(tp))
                        .all(|tp| route.partitions.get(tp).is_some_and(|p| p.next == p.ledger.next))
            })
    }
}

/// The status as its writers share it.
#[derive(Debug, Default)]
pub(crate) struct Board {
    status: Mutex<RouterStatus>,
}

impl Board {
    pub(crate) fn read(&self) -> RouterStatus {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, RouterStatus> {
        self.status.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn router(&self, change: impl FnOnce(&mut RouterStatus)) {
        change(&mut self.lock());
    }

    pub(crate) fn route(&self, route: &RouteName, change: impl FnOnce(&mut RouteStatus)) {
        let mut status = self.lock();
        match status.routes.get_mut(route.as_str()) {
            Some(found) => change(found),
            None => change(status.routes.entry(route.as_str().to_owned()).or_default()),
        }
    }

    /// The lowest committed offset over all routes that own the partition: what lag displays show.
    pub(crate) fn committed(&self, tp: &TopicPartition) -> Option<Offset> {
        let key = tp.to_string();
        let status = self.lock();
        status.routes.values().filter_map(|r| r.partitions.get(&key)?.ledger.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught_up() -> RouterStatus {
        let ledger = Ledger { next: Some(Offset(5)), ..Ledger::default() };
        let partition = PartitionStatus { ledger, next: Some(Offset(5)) };
        let route = RouteStatus {
            state: RouteState::Running,
            topic: "t".into(),
            partitions: BTreeMap::from([("t/0".into(), partition)]),
            commits: 1,
        };
        RouterStatus {
            routes: BTreeMap::from([("r".into(), route)]),
            lag: BTreeMap::from([("t/0".into(), 0), ("other/0".into(), 0)]),
            assigned: true,
            waiting: 0,
            reports: 1,
            broker: None,
        }
    }

    #[test]
    fn caught_up_means_everything_is_read_and_committed_by_everyone() {
        assert!(caught_up().caught_up());
        let not: [fn(&mut RouterStatus); 7] = [
            |s| s.assigned = false,
            |s| s.waiting = 1,
            |s| s.broker = Some("away".into()),
            |s| *s.lag.get_mut("t/0").expect("there") = 1,
            |s| s.routes.get_mut("r").expect("there").state = RouteState::Starting,
            |s| s.routes.get_mut("r").expect("there").partitions.clear(),
            |s| {
                let route = s.routes.get_mut("r").expect("there");
                route.partitions.get_mut("t/0").expect("there").next = Some(Offset(6));
            },
        ];
        for (i, change) in not.into_iter().enumerate() {
            let mut status = caught_up();
            change(&mut status);
            assert!(!status.caught_up(), "change {i}");
        }
    }
}
