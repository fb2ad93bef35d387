//! Feeds against a real broker: followed, restarted, recreated, damaged, read by others.

mod faults;
mod follow;
mod http;
mod kill;
mod stand;
mod store;
