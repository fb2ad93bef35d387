//! Every shipped job gives its golden results: out of order, at any parallelism, through crashes.

mod harness;
mod log;
mod rows;

mod harness_tests;
