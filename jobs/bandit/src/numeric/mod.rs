//! Numerical groundwork: special functions, and who of several random variables is the greatest.

mod beta;
mod greatest;
mod normal;

pub(crate) use beta::Beta;
pub(crate) use greatest::rank_probabilities;
pub(crate) use normal::{Normal, normal_quantile};

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}
