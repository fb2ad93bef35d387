//! Aggregates per key and window.
//!
//! Rows are added to panes, the stretches of time that no window divides; a window is made of its
//! panes when the watermark passes its end. Sessions have no panes: each key keeps its own.

mod cells;
mod emit;
mod fire;
#[cfg(test)]
mod model_tests;
mod operator;
mod placement;
mod session;
mod session_list;
#[cfg(test)]
mod session_tests;
mod timers;
#[cfg(test)]
mod window_tests;

pub(crate) use operator::WindowAggregateOperator;
pub(crate) use session::SessionOperator;
