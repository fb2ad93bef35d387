//! Goal state with its history, in SQLite or PostgreSQL: the only place that speaks SQL to either.
//!
//! ```text
//!  put, put_all ─► one transaction: resource + version + event (+ goal of a job) ─► changed()
//!  set_goal     ─► one transaction: goal + event                                 ─► changed()
//!  jobs()       ◄─ one query: every job with goal, status and newest run
//! ```
//!
//! Invariants: writes take turns; a number that was given out is never given out again; of one job
//! no two runs are recorded that have not ended; what cannot be read is an error and never a panic.

mod audit;
mod database;
mod error;
mod events;
mod goals;
mod idempotency;
mod jobs;
mod migrate;
mod page;
mod put;
mod resources;
mod row;
mod runs;
mod savepoints;
mod tokens;

pub use database::Store;
pub use error::StoreError;
pub use events::{EventFilter, Happening};
pub use goals::JobGoalChange;
pub use idempotency::{Answer, Idempotent, KEPT_MS};
pub use jobs::{JobRow, StatusOf};
pub use page::{Page, Paged};
pub use put::{Put, PutOutcome};
pub use resources::Removal;
pub use tokens::StoredToken;
