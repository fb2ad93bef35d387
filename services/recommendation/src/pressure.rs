//! Load shedding: what matters least is refused first, long before nothing works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use millrace_events::Clock;

/// How much a request matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Statistics, copies of feeds: can be asked again.
    Low,
    /// Histories: somebody looks at them.
    Normal,
    /// Pages: without them there is nothing to see.
    High,
}

impl Priority {
    fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Answer it in full.
    Serve,
    /// Answer it with less work: no personal page.
    Lighter,
    /// Refuse it; it may come again later.
    Shed,
}

/// What the service can bear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureLimits {
    /// Requests under way at once.
    pub requests: usize,
    /// How late the runtime may run a task that is due. This is what grows when there is more to
    /// compute than there are processors: requests that wait are not even begun.
    pub lag: Duration,
}

impl Default for PressureLimits {
    fn default() -> Self {
        Self { requests: 1024, lag: Duration::from_millis(200) }
    }
}

/// Decides by how near the limits are: low is refused from a half on, normal from three quarters
/// on; pages get lighter then, and are refused at the limit.
pub fn decide(
    priority: Priority,
    requests: usize,
    lag: Duration,
    limits: &PressureLimits,
) -> Verdict {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = requests as f64 / limits.requests.max(1) as f64;
    let share = share.max(lag.as_secs_f64() / limits.lag.as_secs_f64().max(f64::MIN_POSITIVE));
    match priority {
        Priority::Low if share >= 0.5 => Verdict::Shed,
        Priority::Normal if share >= 0.75 => Verdict::Shed,
        Priority::High if share >= 1.0 => Verdict::Shed,
        Priority::High if share >= 0.75 => Verdict::Lighter,
        _ => Verdict::Serve,
    }
}

/// Counts what is under way.
#[derive(Debug)]
pub struct Pressure {
    limits: PressureLimits,
    requests: AtomicUsize,
    lag_us: AtomicU64,
}

/// A request under way.
#[derive(Debug)]
pub struct Pass {
    pressure: Arc<Pressure>,
    /// Whether to do less.
    pub lighter: bool,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.pressure.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pressure {
    /// With nothing under way.
    pub fn new(limits: PressureLimits) -> Self {
        Self { limits, requests: AtomicUsize::new(0), lag_us: AtomicU64::new(0) }
    }

    /// Lets a request in, or `None` to refuse it.
    pub fn enter(self: &Arc<Self>, priority: Priority) -> Option<Pass> {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut pass = Pass { pressure: Arc::clone(self), lighter: false };
        let lag = Duration::from_micros(self.lag_us.load(Ordering::Relaxed));
        match decide(priority, before, lag, &self.limits) {
            Verdict::Serve => Some(pass),
            Verdict::Lighter => {
                pass.lighter = true;
                Some(pass)
            }
            Verdict::Shed => {
                counter!("millrace_recommendation_shed_total", "priority" => priority.name())
                    .increment(1);
                None
            }
        }
    }

    /// Notes how late the runtime was. It forgets slowly, so that one good moment does not let
    /// everybody in.
    pub fn late(&self, lag: Duration) {
        let now = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let faded = self.lag_us.load(Ordering::Relaxed) / 8 * 7;
        self.lag_us.store(now.max(faded), Ordering::Relaxed);
    }

    /// Measures how late the runtime is, until `stop`.
    pub async fn measure(&self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        const EVERY: Duration = Duration::from_millis(10);
        loop {
            let due = clock.monotonic() + EVERY;
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
            let lag = clock.monotonic().saturating_sub(due);
            self.late(lag);
            gauge!("millrace_recommendation_runtime_lag_seconds").set(lag.as_secs_f64());
        }
    }
}
