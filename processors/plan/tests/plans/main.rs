//! SQL in, plan out: operators, ids, errors, verdicts.

mod catalog;
mod joins;
mod nexmark;
mod open_sinks;
mod operators;
mod refusals;
mod verdicts;
