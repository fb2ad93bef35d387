//! How old what is known about appliances' health is.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// What is known about the feed of appliances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    /// When the broker last answered about it; `None`: not since the start.
    pub heard_ms: Option<i64>,
    /// Whether the broker knows the feed.
    pub exists: bool,
}

/// Why an answer may be out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StaleReason {
    /// The broker has not answered for longer than the deadline, or never did since the start.
    FeedSilent,
    /// The broker answers, but has no feed of appliances.
    FeedGone,
    /// The feed has no report of any appliance that is younger than the deadline.
    ReportsOld,
}

impl StaleReason {
    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::FeedSilent => "feed-silent",
            Self::FeedGone => "feed-gone",
            Self::ReportsOld => "reports-old",
        }
    }
}

/// An answer comes from the last that was known, and this is how old that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stale {
    /// Why.
    pub reason: StaleReason,
    /// Since when, milliseconds since the Unix epoch, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
}

impl Freshness {
    /// Whether what is known is older than `deadline`, with the appliance that reported last having
    /// done so at `newest_report_ms`.
    pub fn stale(
        self,
        now_ms: i64,
        newest_report_ms: Option<i64>,
        deadline: Duration,
    ) -> Option<Stale> {
        let limit = i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
        let old = |at: Option<i64>| at.is_none_or(|at| now_ms.saturating_sub(at) > limit);
        let stale = |reason, since_ms| Some(Stale { reason, since_ms });
        if old(self.heard_ms) {
            stale(StaleReason::FeedSilent, self.heard_ms)
        } else if !self.exists {
            stale(StaleReason::FeedGone, newest_report_ms)
        } else if old(newest_report_ms) {
            stale(StaleReason::ReportsOld, newest_report_ms)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_stale_when_anything_on_its_way_is_old() {
        let fresh = |heard_ms, exists| Freshness { heard_ms, exists };
        let deadline = Duration::from_secs(10);
        let reason = |f: Freshness, newest| f.stale(100_000, newest, deadline).map(|s| s.reason);
        assert_eq!(reason(fresh(Some(90_000), true), Some(90_000)), None);
        assert_eq!(reason(fresh(None, true), Some(99_000)), Some(StaleReason::FeedSilent));
        assert_eq!(reason(fresh(Some(89_999), true), Some(99_000)), Some(StaleReason::FeedSilent));
        assert_eq!(reason(fresh(Some(99_000), false), Some(99_000)), Some(StaleReason::FeedGone));
        assert_eq!(reason(fresh(Some(99_000), true), Some(1)), Some(StaleReason::ReportsOld));
        assert_eq!(reason(fresh(Some(99_000), true), None), Some(StaleReason::ReportsOld));
        // A clock that went back makes nothing stale.
        assert_eq!(reason(fresh(Some(200_000), true), Some(i64::MAX)), None);
    }
}
