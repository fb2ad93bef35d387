//! Every destination: what all of them promise, and what HTTP, Kafka and the common part do alone.

mod at_least_once;
mod books;
mod conformance;
mod http;
mod kafka;
mod memory;
mod rows;
mod server;
mod store;
mod table;
