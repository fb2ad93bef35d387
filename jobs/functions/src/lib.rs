//! SQL functions of the shipped jobs.
//!
//! A job says in SQL what SQL can say; the rest is here, a file a function, each with its meaning
//! and the source of its algorithm. They work in any job.
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
mod register;
mod values;
mod watch_history;

pub use register::{aggregates, register};
