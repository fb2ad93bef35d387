//! Seeded events whose fate is known before they are sent, and the manifests that decide it.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

/// What must become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A row of the table.
    Written,
    /// Left out by the route's filter.
    Filtered,
    /// A dead letter.
    Dead,
}

/// An event to send.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its id.
    pub id: String,
    /// Its member, which keys it.
    pub member: i64,
    /// What must become of it.
    pub fate: Fate,
    /// Its bytes on the topic.
    pub value: Bytes,
}

/// Makes events: same seed, same events.
#[derive(Debug)]
pub struct EventMaker {
    rng: StdRng,
    prefix: String,
    made: u64,
    all_good: bool,
}

const COUNTRIES: [&str; 4] = ["BR", "DE", "IN", "US"];
/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

impl EventMaker {
    /// Events whose ids begin with `prefix`: most are written, some filtered, a few dead.
    pub fn new(prefix: &str, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, prefix: prefix.to_owned(), made: 0, all_good: false }
    }

    /// Events that all become rows.
    pub fn all_good(prefix: &str, seed: u64) -> Self {
        Self { all_good: true, ..Self::new(prefix, seed) }
    }

    /// The next `count` events.
    pub fn take(&mut self, count: usize) -> Vec<Planned> {
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> Planned {
        let id = format!("{}-{:06}", self.prefix, self.made);
        let member = self.rng.random_range(0..1000);
        let chance = if self.all_good { 99 } else { self.rng.random_range(0..100) };
        let fate = match chance {
            0..=4 => Fate::Dead,
            5..=19 => Fate::Filtered,
            _ => Fate::Written,
        };
        let value = self.value(&id, member, fate);
        self.made += 1;
        Planned { id, member, fate, value }
    }

    fn value(&mut self, id: &str, member: i64, fate: Fate) -> Bytes {
        let country = COUNTRIES[self.rng.random_range(0..COUNTRIES.len())];
        let time = START_MS + self.made * 997;
        let event = |member: serde_json::Value, kind: &str| {
            json!({ "event_id": id, "event_time": time, "member_id": member, "kind": kind,
                    "country": country, "seconds": 0.5 })
            .to_string()
            .into()
        };
        match fate {
            Fate::Written => event(member.into(), "play"),
            Fate::Filtered => event(member.into(), "debug"),
            Fate::Dead if self.rng.random_bool(0.5) => event("nobody".into(), "play"),
            Fate::Dead => format!("{{\"event_id\": \"{id}\", ").into(),
        }
    }
}

/// A name that nobody else on a shared broker has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
}

/// A stream `name` of `partitions`, and a route of the same name that writes what is not `debug` to
/// the table `raw.<table>`, committing often.
pub fn manifests(name: &str, table: &str, partitions: u32) -> String {
    manifests_rolling(name, table, partitions, "bytes: 16KiB, every: 100ms, idle: 50ms")
}

/// The same with a rolling policy of one's own.
pub fn manifests_rolling(name: &str, table: &str, partitions: u32, roll: &str) -> String {
    format!(
        "\
kind: Stream
metadata: {{ name: {name} }}
spec:
  format: json
  key: member_id
  id: event_id
  event_time: {{ column: event_time, delay: 10s, idle: 30s }}
  partitions: {partitions}
  columns:
    - {{ name: event_id, type: string, required: true }}
    - {{ name: event_time, type: timestamp_ms }}
    - {{ name: member_id, type: int64 }}
    - {{ name: kind, type: string }}
    - {{ name: country, type: string }}
    - {{ name: seconds, type: float64 }}
---
kind: Route
metadata: {{ name: {name} }}
spec:
  from: {name}
  where: kind <> 'debug'
  to: {{ table: raw.{table}, partition_by: [country] }}
  roll: {{ {roll} }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_events_and_every_fate_occurs() {
        let events = EventMaker::new("a", 7).take(200);
        let again = EventMaker::new("a", 7).take(200);
        assert!(events.iter().zip(&again).all(|(a, b)| a.value == b.value && a.fate == b.fate));
        for fate in [Fate::Written, Fate::Filtered, Fate::Dead] {
            assert!(events.iter().any(|event| event.fate == fate), "{fate:?}");
        }
        let good = EventMaker::all_good("a", 7).take(200);
        assert!(good.iter().all(|event| event.fate == Fate::Written));
    }
}
