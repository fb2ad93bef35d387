//! Every shipped job gives its golden results: out of order, at any parallelism, through crashes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod appliance_health;
mod artwork_personalization;
mod estimates;
mod function_rows;
mod harness;
mod hostile;
mod latest;
mod linear;
mod log;
mod oca_health;
mod oca_health_rules;
mod rows;
mod similar_titles;
mod take_rate;
mod viewing_history;

mod harness_tests;
