//! The operators of a job, one module each.

mod aggregate;
mod assign_windows;
mod build;
#[cfg(test)]
mod build_tests;
mod columns;
mod deduplicate;
#[cfg(test)]
mod deduplicate_tests;
mod group_aggregate;
#[cfg(test)]
mod group_aggregate_tests;
mod interval_join;
#[cfg(test)]
mod interval_join_tests;
mod interval_state;
mod join_output;
mod keep_first;
mod keep_last;
mod keys;
mod late;
mod narrow;
mod order_key;
mod paged_ranking;
mod project;
#[cfg(test)]
mod query_tests;
mod ranked;
mod ranking;
#[cfg(test)]
mod rescale_tests;
mod row_log;
#[cfg(test)]
mod single_thread;
#[cfg(test)]
mod stateless_tests;
#[cfg(test)]
mod testing;
mod top_n;
#[cfg(test)]
mod top_n_tests;
mod union;
mod unnest;
mod window_aggregate;
mod window_deduplicate;
mod window_join;
#[cfg(test)]
mod window_join_tests;
mod window_match;
mod window_top_n;

pub use build::build;
