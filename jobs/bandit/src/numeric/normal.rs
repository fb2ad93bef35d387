//! The normal distribution: density, distribution function, quantiles.

use super::greatest::Variable;

/// Normal(mean, deviation²).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normal {
    mean: f64,
    deviation: f64,
}

impl Normal {
    pub(crate) const fn new(mean: f64, deviation: f64) -> Self {
        Self { mean, deviation }
    }
}

fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Φ(z) by its Taylor series at zero (Marsaglia 2004, "Evaluating the Normal Distribution").
fn below(z: f64) -> f64 {
    if z < -8.0 {
        return 0.0;
    }
    if z > 8.0 {
        return 1.0;
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-17 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    (0.5 + sum * density(z)).clamp(0.0, 1.0)
}

/// z with Φ(z) = `probability`, by bisection.
pub(crate) fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if below(middle) < probability { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

impl Variable for Normal {
    fn mean(&self) -> f64 {
        self.mean
    }

    fn deviation(&self) -> f64 {
        self.deviation
    }

    fn support(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }

    fn density(&self, x: f64) -> f64 {
        density((x - self.mean) / self.deviation) / self.deviation
    }

    fn below(&self, x: f64) -> f64 {
        below((x - self.mean) / self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (probability, z) in
            [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.005, -2.575_829_303_548_900_4)]
        {
            assert!((normal_quantile(probability) - z).abs() < 1e-12);
        }
    }
}
