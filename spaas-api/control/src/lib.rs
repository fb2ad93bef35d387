//! The control plane: what people want to run, and the steps that bring it about.
//!
//! ```text
//!  HTTP ─► access (who may) ─► api ─► admission (spec, Planner) ─► store (goal state, versions)
//!                                                                        │ goal
//!   workers ◄─ launch (Launcher) ◄─ step ─ reconcile: (goal, actual) ─► next step
//!      └── status over a socket ─► observe ─► API, Prometheus, actual
//! ```
//!
//! Duty: keep goal state with its history, bring every job and the router to it one idempotent step
//! at a time, and say how they are doing.
//!
//! Invariants: every change is a version with author, time and reason; never two runs of one job;
//! killing this process stops no job; secrets are references and never resolved here.
//!
//! Must not know: operator internals, Kafka, tables, SQL. What it needs of them comes in as a
//! trait: [`Planner`], [`Topics`], [`Tables`]; workers are reached through a [`Launcher`].

pub mod access;
pub mod admission;
pub mod api;
pub mod launch;
pub mod model;
pub mod reconcile;
mod seams;
pub mod store;
pub mod watch;
pub mod worker;

pub use launch::{LaunchError, Launcher, Observed};
pub use seams::{
    JobOutline, Planner, SampleRows, SeamError, SinkOutline, SqlMistake, StateVerdict, TableInfo,
    Tables, TopicNeed, Topics,
};
