//! Every shipped job gives its golden results: out of order, at any parallelism, through crashes.

mod harness;
mod log;
mod rows;
mod take_rate;

mod harness_tests;
