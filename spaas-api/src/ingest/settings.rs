//! What ingest allows: sizes, counts, rates, waits.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use millrace_events::{Budget, Clock, SystemClock};
use serde::{Deserialize, Serialize};

/// So many, at once or spread, within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many are let through at once, and in each `per` from then on.
    pub count: NonZeroU32,
    /// The time in which `count` is granted anew.
    pub per: Duration,
}

impl Rate {
    /// `count` a second.
    pub fn per_second(count: NonZeroU32) -> Self {
        Self { count, per: Duration::from_secs(1) }
    }
}

/// Limits of HTTP ingest. Every limit is checked before the memory or time it guards is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestLimits {
    /// Bytes of a request's body, after decompression; above: 413. Default 16 MiB.
    pub max_body_bytes: usize,
    /// Bytes of one event with its attributes; above: that event is refused (413 when it is the
    /// only one). Default 1,000,000, which leaves room for framing under Kafka's 1 MiB.
    pub max_event_bytes: usize,
    /// Events of a request; above: 413. Default 10,000.
    pub max_events: usize,
    /// Levels of nesting in an event, the event itself being the first; above: that event is
    /// refused. Default 32.
    pub max_depth: usize,
    /// Requests of one client (IPv4 address, IPv6 /64) to one stream; above: 429. Default 20,000/s.
    pub requests: Option<Rate>,
    /// Events of one client to one stream; above: 429. Default: no limit.
    pub events: Option<Rate>,
    /// Time a client has to send the whole body; then 408. Default 30 s.
    pub body_timeout: Duration,
    /// Time the broker has to acknowledge; then 503. Default 30 s.
    pub ack_timeout: Duration,
    /// An event time at most this long ago becomes the record's timestamp; older ones stay in the
    /// event only, because brokers delete records by timestamp. Default 1 day.
    pub timestamp_past: Duration,
    /// Same for event times ahead of the clock, which brokers refuse. Default 10 minutes.
    pub timestamp_future: Duration,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_event_bytes: 1_000_000,
            max_events: 10_000,
            max_depth: 32,
            requests: NonZeroU32::new(20_000).map(Rate::per_second),
            events: None,
            body_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(30),
            timestamp_past: Duration::from_hours(24),
            timestamp_future: Duration::from_mins(10),
        }
    }
}

/// What ingest is given.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Its limits.
    pub limits: IngestLimits,
    /// Bytes of requests in flight, from the first byte of a body to its acknowledgement; when used
    /// up: 503.
    pub budget: Budget,
    /// The clock that event times are compared with.
    pub clock: Arc<dyn Clock>,
}

impl IngestSettings {
    /// Default limits on `budget` and the machine's clock.
    pub fn new(budget: Budget) -> Self {
        Self { limits: IngestLimits::default(), budget, clock: Arc::new(SystemClock::default()) }
    }
}
