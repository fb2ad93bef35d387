//! SQL functions of the shipped jobs.
//!
//! A job says in SQL what SQL can say; the rest is here, a file a function, each with its meaning and the
//! source of its algorithm. They work in any job.
//!
//! Must not know: where a job runs.

use millrace_plan::Catalog;

/// Adds all functions to what a job's SQL can name.
#[must_use]
pub fn register(catalog: Catalog) -> Catalog {
    catalog
}
