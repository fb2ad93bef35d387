//! How long to wait before trying again: doubling, capped. Pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// One more failure; the wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.attempts)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        wait
    }

    /// One more failure that only a person can end; the longest wait.
    pub(crate) fn longest(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        LONGEST
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Failures in a row.
    pub(crate) fn attempts(self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_anew_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        backoff.reset();
        assert_eq!((backoff.next(), backoff.attempts()), (FIRST, 1));
    }
}
