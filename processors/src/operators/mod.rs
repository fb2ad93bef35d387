//! The operators of a job, one module each.

mod assign_windows;
mod build;
mod columns;
mod join_output;
mod keys;
mod late;
mod narrow;
mod project;
mod row_log;
#[cfg(test)]
mod stateless_tests;
#[cfg(test)]
mod testing;
mod union;
mod unnest;
mod window_join;
#[cfg(test)]
mod window_join_tests;
mod window_match;

pub use build::build;
