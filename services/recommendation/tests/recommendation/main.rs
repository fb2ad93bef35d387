//! The recommendation service against a real broker: feeds in, answers out, impressions logged.

mod faults;
mod histories;
mod impressions;
mod pages;
mod picks;
mod stand;
