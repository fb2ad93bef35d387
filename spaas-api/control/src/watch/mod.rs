//! Jobs in numbers: what `/metrics`, `/v1/overview` and `millrace top` show.

mod metrics;
mod numbers;

pub use metrics::{METRICS, MetricKind, render};
pub use numbers::JobNumbers;
