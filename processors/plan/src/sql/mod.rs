//! From text to bound statements: dialect, names, types, windows, errors with their place.

mod average;
mod bind;
mod bound;
mod context;
mod dialect;
mod event_time;
mod failure;
mod interval;
mod json_syntax;
mod optimize;
mod refuse;
mod relation;
mod rewrite;
mod sink;
mod statements;
mod suggest;
mod syntax_error;
mod text;
mod type_check;
mod types;
mod unnest;
mod window_tvf;
mod wording;

pub(crate) use bind::bind;
pub(crate) use bound::{BoundInsert, BoundJob};
pub use statements::strip_explain;
pub(crate) use types::flink_name;
pub(crate) use window_tvf::{WINDOW_COLUMNS, WindowTvf, event_time_type};

#[cfg(test)]
mod tests;
