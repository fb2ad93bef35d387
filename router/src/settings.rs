//! What a router is given: routes with their sinks, limits, and how it joins the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_bus::KafkaSettings;
use millrace_events::{Budget, Clock, Header, Probe, RouteName, StreamSchema};
use millrace_sinks::Sink;

use crate::{RollPolicy, RoutePlan};

/// How a router shares topics with others.
#[derive(Debug, Clone)]
pub enum Membership {
    /// Partitions are shared with the other members of this consumer group.
    Group {
        /// The group's name.
        id: String,
        /// After this long without a heartbeat the broker gives the partitions to others.
        session_timeout: Duration,
    },
    /// This process reads every partition: one process with an embedded broker.
    Alone,
}

/// Settings of one router process.
#[derive(Debug)]
pub struct RouterSettings {
    /// The broker.
    pub kafka: KafkaSettings,
    /// How partitions are shared.
    pub membership: Membership,
    /// Everything in flight is charged here.
    pub budget: Budget,
    /// A route that blocks others on its topic for this long is fed by a reader of its own.
    pub stall_after: Duration,
    /// How long a hand-over waits for routes to commit before the partitions are given up
    /// uncommitted.
    pub release_patience: Duration,
    /// How long a route that lost its partition to another writer waits before it claims again.
    pub fenced_wait: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Is told of each protocol step.
    pub probe: Arc<dyn Probe>,
}

/// Which records a route takes by their headers, before anything is decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFilter(BTreeMap<String, Vec<String>>);

/// A replayed record carries this header: the routes (comma-separated) it was dead-lettered by.
pub const REPLAY_ROUTES_HEADER: &str = "millrace-replay-routes";

impl HeaderFilter {
    /// Takes records that have, for every name, one of its values.
    pub fn new(wanted: BTreeMap<String, Vec<String>>) -> Self {
        Self(wanted)
    }

    /// Whether records without any header pass.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record with `headers` is for `route`.
    pub(crate) fn takes(&self, route: &RouteName, headers: &[Header]) -> bool {
        let value = |name: &str| {
            headers.iter().rev().find(|h| h.name == name).and_then(|h| h.value.as_deref())
        };
        if let Some(routes) = value(REPLAY_ROUTES_HEADER) {
            let ours = route.as_str().as_bytes();
            if !routes.split(|b| *b == b',').any(|name| name == ours) {
                return false;
            }
        }
        self.0.iter().all(|(name, any)| {
            value(name).is_some_and(|v| any.iter().any(|wanted| wanted.as_bytes() == v))
        })
    }
}

/// What a route does with the records it takes.
#[derive(Debug, Clone)]
pub enum Handling {
    /// Decode, filter, project.
    Columns(RoutePlan),
    /// Pass on byte for byte.
    Raw,
}

/// One route and its destination.
pub struct Route {
    /// Its name, which is also its name in every ledger.
    pub name: RouteName,
    /// Where it reads.
    pub stream: Arc<StreamSchema>,
    /// Which records it takes by their headers.
    pub headers: HeaderFilter,
    /// What it does with them.
    pub handling: Handling,
    /// When it commits.
    pub roll: RollPolicy,
    /// Where it writes.
    pub sink: Box<dyn Sink>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .field("stream", &self.stream.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.into(), value: Some(Bytes::copy_from_slice(value.as_bytes())) }
    }

    #[test]
    fn a_header_filter_wants_every_name_with_one_of_its_values() {
        let route: RouteName = "r".parse().expect("valid");
        let filter = HeaderFilter::new(BTreeMap::from([
            ("kind".into(), vec!["play".into(), "stop".into()]),
            ("app".into(), vec!["tv".into()]),
        ]));
        assert!(filter.takes(&route, &[header("kind", "stop"), header("app", "tv")]));
        assert!(!filter.takes(&route, &[header("kind", "stop")]));
        assert!(!filter.takes(&route, &[header("kind", "seek"), header("app", "tv")]));
        assert!(HeaderFilter::default().takes(&route, &[]));
    }

    #[test]
    fn a_replayed_record_goes_only_to_the_routes_that_refused_it() {
        let replayed = [header(REPLAY_ROUTES_HEADER, "a,b")];
        let takes =
            |name: &str| HeaderFilter::default().takes(&name.parse().expect("valid"), &replayed);
        assert_eq!((takes("a"), takes("b"), takes("c")), (true, true, false));
    }
}
