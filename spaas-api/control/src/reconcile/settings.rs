//! Settings of the reconciler.

use std::time::Duration;

use super::policy::Policy;

/// How often the reconciler looks, and how much it does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcilerSettings {
    /// How patient it is with workers.
    pub policy: Policy,
    /// Pause between two looks at a job that is on its way somewhere. Default 0.25 s.
    pub busy_tick: Duration,
    /// Pause between two looks at a job that is as wanted; also the longest until a change made by
    /// another process is seen. Default 2 s.
    pub idle_tick: Duration,
    /// Pause after a step that did not work out. Default 1 s.
    pub retry_tick: Duration,
    /// Jobs that are seen to at once. Default 16.
    pub jobs_at_once: usize,
    /// Runs that start at once; the others wait until one of them works. Default 8.
    pub starts_at_once: usize,
    /// A run that takes longer to start makes place for the next. Default 10 s.
    pub start_place: Duration,
}

impl Default for ReconcilerSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            busy_tick: Duration::from_millis(250),
            idle_tick: Duration::from_secs(2),
            retry_tick: Duration::from_secs(1),
            jobs_at_once: 16,
            starts_at_once: 8,
            start_place: Duration::from_secs(10),
        }
    }
}
