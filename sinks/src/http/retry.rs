//! What to do after a request: a pure decision from what was seen.

use std::time::Duration;

use chrono::DateTime;
use reqwest::StatusCode;

/// How often and how patiently a request is repeated before the route is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests made in all before giving up.
    pub attempts: u32,
    /// Wait after the first failure; doubles from there.
    pub first: Duration,
    /// The longest wait between two attempts when the server asks for none.
    pub longest: Duration,
    /// The longest `Retry-After` that is honoured; a longer one is cut to this.
    pub longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            longest_asked: Duration::from_mins(5),
        }
    }
}

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server answered; `wait` is what it asked for.
    Answered { status: StatusCode, wait: Option<Duration> },
    /// No connection, no answer in time, or a broken answer.
    Failed,
}

/// What follows from an [`Outcome`].
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The rows are delivered.
    Done,
    /// The same request again after this long.
    Again(Duration),
    /// Patience is used up; the route may try later.
    GiveUp,
    /// The server will never take this request.
    Refused,
}

impl RetryPolicy {
    /// Decides after attempt number `attempt` (from 1). `seed` spreads the waits of different
    /// requests, so that clients that failed together do not come back together.
    pub(crate) fn decide(&self, outcome: Outcome, attempt: u32, seed: u64) -> Verdict {
        let asked = match outcome {
            Outcome::Answered { status, .. } if status.is_success() => return Verdict::Done,
            Outcome::Answered { status, .. } if !worth_retrying(status) => return Verdict::Refused,
            Outcome::Answered { wait, .. } => wait,
            Outcome::Failed => None,
        };
        if attempt >= self.attempts {
            return Verdict::GiveUp;
        }
        let own = self.backoff(attempt, seed);
        Verdict::Again(asked.map_or(own, |asked| asked.min(self.longest_asked).max(own)))
    }

    /// Between half and all of the doubled wait.
    fn backoff(&self, attempt: u32, seed: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        let spread = u32::try_from(mix(seed ^ u64::from(attempt)) >> 48).unwrap_or(0);
        full / 2 + full / 2 / 0x1_0000 * spread
    }
}

/// Splitmix64's finaliser: every bit of the input moves every bit of the output.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn worth_retrying(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// The wait that `Retry-After` asks for: seconds, or a date, which is measured against the answer's
/// own `Date` so that the two machines' clocks need not agree.
pub(crate) fn asked_wait(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    let now = DateTime::parse_from_rfc2822(date?.trim()).ok()?;
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answered(status: u16, wait: Option<u64>) -> Outcome {
        let status = StatusCode::from_u16(status).expect("a status");
        Outcome::Answered { status, wait: wait.map(Duration::from_secs) }
    }

    #[test]
    fn statuses_are_judged_by_what_repeating_can_change() {
        let policy = RetryPolicy::default();
        for status in [200, 201, 202, 204] {
            assert_eq!(policy.decide(answered(status, None), 1, 0), Verdict::Done, "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            let verdict = policy.decide(answered(status, None), 1, 0);
            assert!(matches!(verdict, Verdict::Again(_)), "{status}: {verdict:?}");
        }
        for status in [301, 302, 307, 308, 304, 400, 401, 403, 404, 409, 410, 413, 415, 422] {
            assert_eq!(policy.decide(answered(status, None), 1, 0), Verdict::Refused, "{status}");
        }
        assert!(matches!(policy.decide(Outcome::Failed, 1, 0), Verdict::Again(_)));
        assert_eq!(policy.decide(Outcome::Failed, policy.attempts, 0), Verdict::GiveUp);
    }

    #[test]
    fn what_the_server_asks_for_is_waited_up_to_a_limit() {
        let policy = RetryPolicy::default();
        let wait = |asked| match policy.decide(answered(503, Some(asked)), 1, 7) {
            Verdict::Again(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(10), Duration::from_secs(10));
        assert_eq!(wait(1_000_000), policy.longest_asked);
        assert!(wait(0) >= policy.first / 2, "zero does not mean a busy loop");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let (until, now) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT");
        assert_eq!(asked_wait(" 120 ", None), Some(Duration::from_mins(2)));
        assert_eq!(asked_wait(until, Some(now)), Some(Duration::from_secs(30)));
        assert_eq!(asked_wait(now, Some(until)), Some(Duration::ZERO), "in the past");
        assert_eq!(asked_wait(until, None), None);
        assert_eq!(asked_wait("soon", Some(now)), None);
    }

    proptest! {
        #[test]
        fn waits_grow_stay_below_the_limit_and_are_spread(seed: u64, attempt in 1u32..100) {
            let policy = RetryPolicy { attempts: 1000, ..RetryPolicy::default() };
            let full = policy.first.saturating_mul(1 << (attempt - 1).min(20)).min(policy.longest);
            let wait = policy.backoff(attempt, seed);
            prop_assert!(wait >= full / 2 && wait <= full, "{:?} of {:?}", wait, full);
        }
    }
}
