//! Every shipped job gives its golden results: out of order, at any parallelism, through crashes.

mod harness;
mod log;
mod oca_health;
mod rows;
mod similar_titles;
mod take_rate;

mod harness_tests;
