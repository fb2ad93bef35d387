//! Sinks that deliver at least once: the promise itself, HTTP, Kafka.

mod at_least_once;
mod books;
mod conformance;
mod http;
mod kafka;
mod memory;
mod rows;
mod server;
