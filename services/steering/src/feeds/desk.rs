//! The draft that views change, and the snapshot that requests read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::fleet::{AsnTable, Draft, Fleet};

use super::freshness::Freshness;

/// Between the thread that follows feeds and requests.
///
/// Views hold the draft's lock while they apply changes; requests never take it.
#[derive(Debug)]
pub struct Desk {
    draft: Mutex<Draft>,
    fleet: ArcSwap<Fleet>,
    freshness: ArcSwap<Freshness>,
    skipped: AtomicU64,
}

impl Desk {
    /// A desk with an empty fleet.
    pub fn new(asn: Arc<AsnTable>, min_headroom_mbps: f64) -> Self {
        Self {
            draft: Mutex::new(Draft::new(asn, min_headroom_mbps)),
            fleet: ArcSwap::default(),
            freshness: ArcSwap::default(),
            skipped: AtomicU64::new(0),
        }
    }

    /// The draft. A panic while it was held leaves a draft that is whole, if not complete.
    pub fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows requests what the draft has; whether there was news.
    pub fn publish(&self) -> bool {
        // The lock is held for the copy alone.
        let news = self.draft().snapshot();
        let Some(fleet) = news else { return false };
        let size = fleet.size();
        self.fleet.store(Arc::new(fleet));
        super::service::show_size(size);
        true
    }

    /// What is known now.
    pub fn fleet(&self) -> Arc<Fleet> {
        self.fleet.load_full()
    }

    /// Says how fresh the feeds are.
    pub fn set_freshness(&self, freshness: Freshness) {
        self.freshness.store(Arc::new(freshness));
    }

    /// How fresh the feeds are, as last said.
    pub fn freshness(&self) -> Arc<Freshness> {
        self.freshness.load_full()
    }

    /// Rows of feeds that could not be taken.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    pub(super) fn skip(&self, feed: &str, why: &dyn std::fmt::Display) {
        // The first of many says enough; the number says the rest.
        if self.skipped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(feed, %why, "a row of a feed cannot be taken; others will be counted");
        }
        metrics::counter!("millrace_steering_rows_skipped_total", "feed" => feed.to_owned())
            .increment(1);
    }
}
