//! SQL functions of the shipped jobs.
//!
//! A job says in SQL what SQL can say; the rest is here, a file a function, each with its meaning and the
//! source of its algorithm. They work in any job.
//!
//! Must not know: where a job runs.

mod appliance_health;
mod arguments;
mod coding;
mod covered_seconds;
mod decay;
mod latest;
mod linear;
mod pack_older;
mod values;
mod watch_history;

use std::sync::Arc;

use millrace_plan::{AggregateFunction, Catalog};

/// The aggregate functions.
#[must_use]
pub fn aggregates() -> Vec<Arc<dyn AggregateFunction>> {
    let mut all: Vec<Arc<dyn AggregateFunction>> = vec![
        Arc::new(appliance_health::ApplianceHealth),
        Arc::new(decay::DecayedCount),
        Arc::new(decay::LatestTime),
        Arc::new(linear::Linear::Gram),
        Arc::new(linear::Linear::Weighted),
        Arc::new(covered_seconds::CoveredSeconds),
        Arc::new(pack_older::PackOlder),
        Arc::new(values::Texts::OnlyValue),
        Arc::new(values::Texts::SortedList),
        Arc::new(watch_history::WatchHistory),
    ];
    for latest in latest::Latest::all() {
        all.push(Arc::new(latest));
    }
    all
}

/// Adds all functions to what a job's SQL can name.
#[must_use]
pub fn register(catalog: Catalog) -> Catalog {
    aggregates().into_iter().fold(catalog, Catalog::aggregate)
}
