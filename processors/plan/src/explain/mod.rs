//! A plan for people and tools: operators, keys, windows, state, event time, exchanges.

mod describe;
mod dot;
mod form;
mod json;
mod text;
mod words;

pub(crate) use describe::{key_names, key_types, kind_name, state_parts};
pub use form::{ExplainForm, explain};
pub(crate) use words::{call_text, function_name, length_text, window_text};
