//! The functions a query can call, under Flink's names and with Flink's meaning.

mod refused;
mod registered;
mod registry;

pub(crate) use refused::refused;
pub(crate) use registry::Functions;
