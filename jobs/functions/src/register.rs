//! All functions, by one call.

use std::sync::Arc;

use millrace_plan::{AggregateFunction, Catalog};

use crate::appliance_health::ApplianceHealth;
use crate::covered_seconds::CoveredSeconds;
use crate::decay::{DecayedCount, LatestTime};
use crate::latest::Latest;
use crate::linear::Linear;
use crate::pack_older::PackOlder;
use crate::values::Texts;
use crate::watch_history::WatchHistory;

/// The aggregate functions.
#[must_use]
pub fn aggregates() -> Vec<Arc<dyn AggregateFunction>> {
    let mut all: Vec<Arc<dyn AggregateFunction>> = vec![
        Arc::new(ApplianceHealth),
        Arc::new(DecayedCount),
        Arc::new(LatestTime),
        Arc::new(Linear::Gram),
        Arc::new(Linear::Weighted),
        Arc::new(CoveredSeconds),
        Arc::new(PackOlder),
        Arc::new(Texts::OnlyValue),
        Arc::new(Texts::SortedList),
        Arc::new(WatchHistory),
    ];
    for latest in Latest::all() {
        all.push(Arc::new(latest));
    }
    all
}

/// Adds all functions to what a job's SQL can name.
#[must_use]
pub fn register(catalog: Catalog) -> Catalog {
    aggregates().into_iter().fold(catalog, Catalog::aggregate)
}
