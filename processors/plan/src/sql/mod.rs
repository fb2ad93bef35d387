//! From text to bound statements: dialect, names, types, windows, errors with their place.

mod bound;
mod window_tvf;

pub(crate) use bound::{BoundInsert, BoundJob};
pub(crate) use window_tvf::{WINDOW_COLUMNS, WindowTvf, event_time_type};
