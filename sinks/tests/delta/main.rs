//! Tables as the `Sink` contract promises them: on a real disk, with faults and races.

mod conformance;
mod dead_letters;
mod faults;
mod fencing;
mod ledger_book;
mod memory;
mod old_log;
mod partitions;
mod place;
mod schema;
mod staged;
mod staged_faults;
mod staged_runs;
mod steps;
mod store;
