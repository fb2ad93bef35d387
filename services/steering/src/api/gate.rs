//! Who is let in when there is too much to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderMap, StatusCode};
use std::time::Duration;

use millrace_http::Problem;

/// How much a request matters. From the header `Priority` of RFC 9218: urgency `u=0` to `u=3`, and
/// requests without one, are playback; `u=4` to `u=7` are prefetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for a picture.
    Playback,
    /// Nobody waits yet.
    Prefetch,
}

impl Priority {
    /// Of a request with these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let value = headers.get("priority").and_then(|value| value.to_str().ok());
        let mut members = value.unwrap_or_default().split(',').map(str::trim);
        let urgency = members.find_map(|member| member.strip_prefix("u="));
        match urgency.and_then(|urgency| urgency.parse::<u8>().ok()) {
            Some(4..=7) => Self::Prefetch,
            _ => Self::Playback,
        }
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Playback => "playback",
            Self::Prefetch => "prefetch",
        }
    }
}

/// Counts requests taken and not answered yet. Beyond its places a request is refused at once,
/// which costs less than answering it: under overload those that are taken are still answered in
/// time. Prefetching gets half of the places, so it is refused first.
#[derive(Debug)]
pub struct Gate {
    places: usize,
    taken: AtomicUsize,
}

/// A place behind the gate, given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Gate>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    /// A gate with `places`, at least two.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places: places.max(2), taken: AtomicUsize::new(0) })
    }

    /// A place for a request, or `None` if there is none for its priority.
    pub fn enter(self: &Arc<Self>, priority: Priority) -> Option<Place> {
        let places = match priority {
            Priority::Playback => self.places,
            Priority::Prefetch => self.places / 2,
        };
        let enter = |taken| (taken < places).then_some(taken + 1);
        let entered = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter);
        entered.is_ok().then(|| Place(Arc::clone(self)))
    }
}

/// The answer to a request that was not let in.
pub(super) fn shed(priority: Priority) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too much to do")
        .detail(format!(
            "more requests than can be answered in time; {} has to wait",
            priority.name()
        ))
        .retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefetching_waits_before_playback_does_and_places_come_back() {
        let gate = Gate::new(4);
        let first = gate.enter(Priority::Prefetch);
        let _second = gate.enter(Priority::Prefetch);
        assert!(first.is_some() && gate.enter(Priority::Prefetch).is_none());
        let third = gate.enter(Priority::Playback);
        let _fourth = gate.enter(Priority::Playback);
        assert!(third.is_some() && gate.enter(Priority::Playback).is_none());
        drop(first);
        assert!(gate.enter(Priority::Prefetch).is_none());
        assert!(gate.enter(Priority::Playback).is_some());
    }

    #[test]
    fn urgency_says_what_a_request_is() {
        let of = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            value.map(|value| headers.insert("priority", value.parse().unwrap()));
            Priority::of(&headers)
        };
        for playback in [None, Some("u=0"), Some("i, u=3"), Some("u=9"), Some("u=-1"), Some("x")] {
            assert_eq!(of(playback), Priority::Playback, "{playback:?}");
        }
        for prefetch in ["u=4", "i, u=7", "u=5,i"] {
            assert_eq!(of(Some(prefetch)), Priority::Prefetch, "{prefetch}");
        }
    }
}
