//! The functions a query can call, under Flink's names and with Flink's meaning.

mod calendar;
mod json;
mod json_path;
mod math;
mod misc;
mod pattern;
mod refused;
mod regexp;
mod registered;
mod registry;
mod scalar;
mod text;
mod time;

pub(crate) use refused::refused;
pub(crate) use registry::{Functions, HEXADECIMAL};
