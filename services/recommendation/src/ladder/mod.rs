//! The ladder: personal, then country, then static; each rung behind its own breaker.

mod breaker;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::counter;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use millrace_events::Clock;

use crate::page::{Ask, Page, Rung};

use breaker::BreakerLayer;
pub use breaker::{Admit, Breaker, BreakerSettings, Open};

/// Where a page may come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// A page, or `None` if it has none for this member. An error counts against the source.
    async fn page(&self, ask: Ask) -> Result<Option<Page>, BoxError>;
}

/// What keeps a source that fails, hangs or is overrun from taking the service with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RungSettings {
    /// An answer that takes longer is a failure.
    pub timeout: Duration,
    /// Questions at once; more are refused.
    pub bulkhead: usize,
    /// When to stop asking.
    pub breaker: BreakerSettings,
}

impl Default for RungSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(50),
            bulkhead: 512,
            breaker: BreakerSettings::default(),
        }
    }
}

type Asking = BoxCloneSyncService<Ask, Option<Page>, BoxError>;

/// Asks one rung after the other.
#[derive(Clone)]
pub struct Ladder {
    personal: Asking,
    country: Asking,
    /// Needs nothing that could fail.
    last: Arc<dyn Fn(&Ask) -> Page + Send + Sync>,
}

impl std::fmt::Debug for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ladder").finish_non_exhaustive()
    }
}

impl Ladder {
    /// Over two sources and what is left without them.
    pub fn new(
        personal: Arc<dyn Source>,
        country: Arc<dyn Source>,
        last: Arc<dyn Fn(&Ask) -> Page + Send + Sync>,
        settings: RungSettings,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let asking = |source, rung| asking(source, rung, settings, clock.clone());
        Self {
            personal: asking(personal, Rung::Personal),
            country: asking(country, Rung::Country),
            last,
        }
    }

    /// The best page there is, from `top` on down.
    pub async fn page(&self, ask: Ask, top: Rung) -> Page {
        for (rung, asking) in [(Rung::Personal, &self.personal), (Rung::Country, &self.country)] {
            if rung < top {
                continue;
            }
            match asking.clone().oneshot(ask).await {
                Ok(Some(page)) => return answered(page),
                Ok(None) => note(rung, "nothing"),
                Err(error) => note(rung, reason(&error)),
            }
        }
        answered((self.last)(&ask))
    }
}

fn answered(page: Page) -> Page {
    counter!("millrace_recommendation_answers_total", "rung" => page.rung.name()).increment(1);
    page
}

fn note(rung: Rung, why: &'static str) {
    let labels = [("rung", rung.name()), ("why", why)];
    counter!("millrace_recommendation_rung_missed_total", &labels).increment(1);
}

fn reason(error: &BoxError) -> &'static str {
    if error.is::<tower::load_shed::error::Overloaded>() {
        "full"
    } else if error.is::<Open>() {
        "open"
    } else if error.is::<tower::timeout::error::Elapsed>() {
        "timeout"
    } else {
        "failed"
    }
}

/// From the outside in: the bulkhead, which refuses at once and is nobody's failure; the breaker;
/// the timeout, which is a failure.
fn asking(
    source: Arc<dyn Source>,
    rung: Rung,
    settings: RungSettings,
    clock: Arc<dyn Clock>,
) -> Asking {
    let ask = tower::service_fn(move |ask: Ask| {
        let source = Arc::clone(&source);
        async move { source.page(ask).await }
    });
    let service = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(settings.bulkhead)
        .layer(BreakerLayer::new(settings.breaker, rung.name(), clock))
        .timeout(settings.timeout)
        .service(ask);
    BoxCloneSyncService::new(service)
}
