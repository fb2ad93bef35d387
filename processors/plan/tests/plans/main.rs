//! SQL in, plan out: operators, ids, errors, verdicts.

mod catalog;
mod joins;
mod nexmark;
mod operators;
mod refusals;
mod verdicts;
