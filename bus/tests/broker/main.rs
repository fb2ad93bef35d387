//! The bus against a broker: the embedded one, or the real Kafka that `MILLRACE_TEST_KAFKA` names.

#![allow(clippy::unwrap_used, reason = "a test has nothing else to do with an error")]

mod gaps;
mod groups;
mod positions;
mod records;
mod restarts;
mod secured;
mod support;
mod topics;
