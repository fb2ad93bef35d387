//! SQL functions of the shipped jobs.
//!
//! A job says in SQL what SQL can say; the rest is here, a file a function, each with its meaning and the
//! source of its algorithm. They work in any job.
//!
//! Must not know: where a job runs.

mod appliance_health;
mod arguments;
mod decay;
mod latest;

use std::sync::Arc;

use millrace_plan::Catalog;

/// Adds all functions to what a job's SQL can name.
#[must_use]
pub fn register(catalog: Catalog) -> Catalog {
    let catalog = catalog.aggregate(Arc::new(appliance_health::ApplianceHealth));
    let catalog = catalog.aggregate(Arc::new(decay::DecayedCount));
    let catalog = catalog.aggregate(Arc::new(decay::LatestTime));
    latest::Latest::all().into_iter().fold(catalog, |catalog, of| catalog.aggregate(Arc::new(of)))
}
