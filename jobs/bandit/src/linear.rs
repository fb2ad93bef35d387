//! A fitted linear model: ridge regression with the uncertainty of its predictions.

use crate::context::{Context, FEATURES};
use crate::learn::{LinearStats, TRIANGLE};

/// Ridge regression of an image's reward on the context: `θ = (λI + Σ x xᵀ)⁻¹ Σ r x`.
#[derive(Debug, Clone)]
pub struct LinearModel {
    /// Cholesky's factor L of A = λI + Σ x xᵀ, packed row by row.
    factor: Box<[f64; TRIANGLE]>,
    theta: [f64; FEATURES],
}

/// Where row `row` begins in a packed lower triangle.
const fn row(row: usize) -> usize {
    row * (row + 1) / 2
}

impl LinearModel {
    /// Fits with the ridge `lambda`, which must be above 0.
    #[must_use]
    pub fn fit(stats: &LinearStats, lambda: f64) -> Self {
        let mut factor = Box::new(*stats.a());
        for i in 0..FEATURES {
            factor[row(i) + i] += lambda;
        }
        for i in 0..FEATURES {
            for j in 0..=i {
                let done: f64 = (0..j).map(|k| factor[row(i) + k] * factor[row(j) + k]).sum();
                let left = factor[row(i) + j] - done;
                factor[row(i) + j] = if i == j {
                    // Statistics that were merged wrongly are not positive definite: the ridge is
                    // what remains then.
                    left.max(lambda * 1e-9).sqrt()
                } else {
                    left / factor[row(j) + j]
                };
            }
        }
        let mut model = Self { factor, theta: [0.0; FEATURES] };
        model.theta = model.backward(model.forward(stats.b()));
        model
    }

    /// Solves L y = v.
    fn forward(&self, v: &[f64; FEATURES]) -> [f64; FEATURES] {
        let mut y = *v;
        for i in 0..FEATURES {
            let done: f64 = (0..i).map(|k| self.factor[row(i) + k] * y[k]).sum();
            y[i] = (y[i] - done) / self.factor[row(i) + i];
        }
        y
    }

    /// Solves Lᵀ x = y.
    fn backward(&self, mut y: [f64; FEATURES]) -> [f64; FEATURES] {
        for i in (0..FEATURES).rev() {
            let done: f64 = (i + 1..FEATURES).map(|k| self.factor[row(k) + i] * y[k]).sum();
            y[i] = (y[i] - done) / self.factor[row(i) + i];
        }
        y
    }

    /// The coefficients θ.
    #[must_use]
    pub const fn theta(&self) -> &[f64; FEATURES] {
        &self.theta
    }

    /// The expected reward, `xᵀθ`.
    #[must_use]
    pub fn mean(&self, context: &Context) -> f64 {
        self.theta.iter().zip(context.features()).map(|(theta, x)| theta * x).sum()
    }

    /// `√(xᵀ A⁻¹ x)`: the uncertainty of [`Self::mean`] in deviations of the noise.
    #[must_use]
    pub fn width(&self, context: &Context) -> f64 {
        self.forward(context.features()).iter().map(|y| y * y).sum::<f64>().sqrt()
    }
}
