//! When a route commits: a pure decision from size, age and idleness.

use std::time::Duration;

/// Limits after which a route commits what it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollPolicy {
    /// Commit when about this many bytes wait.
    pub bytes: usize,
    /// Commit when the oldest uncommitted row is this old.
    pub every: Duration,
    /// Commit when nothing came for this long.
    pub idle: Duration,
}

impl Default for RollPolicy {
    fn default() -> Self {
        Self { bytes: 128 << 20, every: Duration::from_secs(30), idle: Duration::from_secs(5) }
    }
}

/// What the decision is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollFacts {
    /// Bytes the sink holds uncommitted.
    pub pending_bytes: usize,
    /// Time since the first uncommitted batch; `None` when everything is committed.
    pub age: Option<Duration>,
    /// Time since the last batch.
    pub idle: Duration,
}

/// Why a route commits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollReason {
    /// Enough bytes for a file.
    Size,
    /// Rows have waited long enough.
    Age,
    /// The stream has paused.
    Idle,
}

impl RollPolicy {
    /// Whether to commit now, and why.
    #[must_use]
    pub fn decide(&self, facts: RollFacts) -> Option<RollReason> {
        let age = facts.age?;
        if facts.pending_bytes >= self.bytes {
            Some(RollReason::Size)
        } else if age >= self.every {
            Some(RollReason::Age)
        } else if facts.idle >= self.idle {
            Some(RollReason::Idle)
        } else {
            None
        }
    }

    /// How often the decision must be looked at, so that no limit is overshot by much.
    pub(crate) fn tick(&self) -> Duration {
        (self.every.min(self.idle) / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(pending_bytes: usize, age_ms: Option<u64>, idle_ms: u64) -> RollFacts {
        let age = age_ms.map(Duration::from_millis);
        RollFacts { pending_bytes, age, idle: Duration::from_millis(idle_ms) }
    }

    #[test]
    fn each_limit_alone_makes_a_commit() {
        let policy = RollPolicy {
            bytes: 100,
            every: Duration::from_millis(50),
            idle: Duration::from_millis(20),
        };
        let cases = [
            (facts(0, None, 1_000), None),
            (facts(99, Some(49), 19), None),
            (facts(100, Some(0), 0), Some(RollReason::Size)),
            (facts(0, Some(50), 0), Some(RollReason::Age)),
            (facts(0, Some(20), 20), Some(RollReason::Idle)),
        ];
        for (facts, expected) in cases {
            assert_eq!(policy.decide(facts), expected, "{facts:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_uncommitted_never_commits(bytes: usize, idle: u32) {
            let decision = RollPolicy::default().decide(facts(bytes, None, u64::from(idle)));
            prop_assert_eq!(decision, None);
        }

        #[test]
        fn waiting_longer_never_takes_a_commit_back(age: u32, more: u32, idle: u32, bytes: u32) {
            let policy = RollPolicy::default();
            let at = |age: u64| policy.decide(facts(bytes as usize, Some(age), u64::from(idle)));
            if at(u64::from(age)).is_some() {
                prop_assert!(at(u64::from(age) + u64::from(more)).is_some());
            }
        }
    }
}
