//! The operators of a job, one module each.

mod assign_windows;
mod build;
mod columns;
mod narrow;
mod project;
#[cfg(test)]
mod stateless_tests;
#[cfg(test)]
mod testing;
mod union;
mod unnest;

pub use build::build;
