//! A circuit breaker: after failures in a row it stops asking, then tries with one question.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use metrics::gauge;
use tower::{BoxError, Layer, Service};

use millrace_events::Clock;

/// When a breaker opens and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long nothing is asked then; twice as long after each trial that fails, up to 32 times.
    pub pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 20, pause: Duration::from_secs(1) }
    }
}

/// The breaker is open: nothing was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not asked: it failed too often")]
pub struct Open;

/// Whether to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admit {
    /// Ask.
    Yes,
    /// Ask, as the one trial that decides.
    Trial,
    /// Do not ask.
    No,
}

/// The state of a breaker. Time is an argument.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Breaker {
    failures: u32,
    /// Open until then, if it is; `trials` failed since it was closed last.
    until: Option<Duration>,
    trials: u32,
    /// A trial is under way, since.
    trying: Option<Duration>,
}

impl Breaker {
    /// Whether to ask now.
    pub fn admit(&mut self, now: Duration, settings: &BreakerSettings) -> Admit {
        let Some(until) = self.until else { return Admit::Yes };
        // A trial whose outcome never came (its caller went away) does not close the door for ever.
        let trying = self.trying.is_some_and(|since| now < since + settings.pause);
        if now < until || trying {
            return Admit::No;
        }
        self.trying = Some(now);
        Admit::Trial
    }

    /// Notes the outcome of a question.
    pub fn note(&mut self, ok: bool, now: Duration, settings: &BreakerSettings) {
        if ok {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.trying.take().is_some() {
            self.trials += 1;
        } else if self.until.is_some() || self.failures < settings.failures {
            return;
        }
        self.until = Some(now + settings.pause * (1 << self.trials.min(5)));
    }

    /// Whether questions are refused, but for trials.
    pub fn is_open(&self) -> bool {
        self.until.is_some()
    }
}

#[derive(Clone)]
pub(super) struct BreakerLayer {
    shared: Arc<Shared>,
}

struct Shared {
    settings: BreakerSettings,
    name: &'static str,
    clock: Arc<dyn Clock>,
    breaker: Mutex<Breaker>,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = breaker.is_open();
        let done = act(&mut breaker, self.clock.monotonic());
        if breaker.is_open() != before {
            let open = if before { 0.0 } else { 1.0 };
            gauge!("millrace_recommendation_breaker_open", "rung" => self.name).set(open);
            tracing::warn!(rung = self.name, open = !before, "a breaker turned");
        }
        done
    }
}

impl BreakerLayer {
    pub(super) fn new(
        settings: BreakerSettings,
        name: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let breaker = Mutex::new(Breaker::default());
        Self { shared: Arc::new(Shared { settings, name, clock, breaker }) }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, shared: Arc::clone(&self.shared) }
    }
}

#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, R> Service<R> for Guarded<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        ready!(self.inner.poll_ready(context))?;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        if shared.with(|b, now| b.admit(now, &shared.settings)) == Admit::No {
            return Box::pin(std::future::ready(Err(Open.into())));
        }
        let asked = self.inner.call(request);
        Box::pin(async move {
            let answer = asked.await;
            shared.with(|b, now| b.note(answer.is_ok(), now, &shared.settings));
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failures: 3, pause: Duration::from_secs(1) };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_good_trial() {
        let mut b = Breaker::default();
        for ok in [false, false, true, false, false] {
            assert_eq!(b.admit(at(0), &SETTINGS), Admit::Yes);
            b.note(ok, at(0), &SETTINGS);
        }
        b.note(false, at(10), &SETTINGS);
        assert_eq!(b.admit(at(1009), &SETTINGS), Admit::No);
        assert_eq!(b.admit(at(1010), &SETTINGS), Admit::Trial);
        assert_eq!(b.admit(at(1011), &SETTINGS), Admit::No, "one trial at a time");
        b.note(false, at(1020), &SETTINGS);
        assert_eq!(b.admit(at(3019), &SETTINGS), Admit::No, "twice as long");
        assert_eq!(b.admit(at(3020), &SETTINGS), Admit::Trial);
        b.note(true, at(3030), &SETTINGS);
        assert!(!b.is_open());
        assert_eq!(b.admit(at(3031), &SETTINGS), Admit::Yes);
    }

    #[test]
    fn a_trial_that_never_ends_is_followed_by_another() {
        let mut b = Breaker::default();
        for _ in 0..3 {
            b.note(false, at(0), &SETTINGS);
        }
        assert_eq!(b.admit(at(1000), &SETTINGS), Admit::Trial);
        assert_eq!(b.admit(at(1999), &SETTINGS), Admit::No);
        assert_eq!(b.admit(at(2000), &SETTINGS), Admit::Trial);
    }
}
