//! The Beta distribution: density and distribution function.

use super::greatest::Variable;

/// Lanczos' approximation of ln Γ with g = 7 and nine terms (Godfrey's coefficients).
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

/// ln Γ(x) for x > 0.
fn ln_gamma(x: f64) -> f64 {
    if x < 0.5 {
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let mut sum = LANCZOS[0];
    let mut at = x;
    for coefficient in &LANCZOS[1..] {
        at += 1.0;
        sum += coefficient / at;
    }
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// Beta(alpha, beta), both above 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beta {
    alpha: f64,
    other: f64,
    /// ln B(alpha, beta)
    ln_norm: f64,
}

/// Steps after which the continued fraction is taken as it is; it needs about √max(α, β).
const MOST_STEPS: u32 = 20_000;

impl Beta {
    pub(crate) fn new(alpha: f64, beta: f64) -> Self {
        let ln_norm = ln_gamma(alpha) + ln_gamma(beta) - ln_gamma(alpha + beta);
        Self { alpha, other: beta, ln_norm }
    }

    /// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz' method.
    fn fraction(a: f64, b: f64, x: f64) -> f64 {
        const TINY: f64 = 1e-300;
        let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
        let mut above = 1.0;
        let mut below = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
        let mut value = below;
        for step in 1..MOST_STEPS {
            let m = f64::from(step);
            let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
            let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
            for coefficient in [even, odd] {
                below = 1.0 / away_from_zero(1.0 + coefficient * below);
                above = away_from_zero(1.0 + coefficient / above);
                value *= below * above;
            }
            if (below * above - 1.0).abs() < 1e-15 {
                break;
            }
        }
        value
    }
}

impl Variable for Beta {
    fn mean(&self) -> f64 {
        self.alpha / (self.alpha + self.other)
    }

    fn deviation(&self) -> f64 {
        let sum = self.alpha + self.other;
        (self.alpha * self.other / (sum + 1.0)).sqrt() / sum
    }

    /// With few plays the tail is that of an exponential distribution.
    fn upper(&self) -> f64 {
        (self.mean() + 27.0 * self.deviation()).min(1.0)
    }

    fn support(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn density(&self, x: f64) -> f64 {
        if x <= 0.0 || x >= 1.0 {
            return 0.0;
        }
        ((self.alpha - 1.0) * x.ln() + (self.other - 1.0) * (-x).ln_1p() - self.ln_norm).exp()
    }

    fn below(&self, x: f64) -> f64 {
        if x <= 0.0 {
            return 0.0;
        }
        if x >= 1.0 {
            return 1.0;
        }
        let (a, b) = (self.alpha, self.other);
        let front = (a * x.ln() + b * (-x).ln_1p() - self.ln_norm).exp();
        if x < (a + 1.0) / (a + b + 2.0) {
            front * Self::fraction(a, b, x) / a
        } else {
            1.0 - front * Self::fraction(b, a, 1.0 - x) / b
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_function_is_what_closed_forms_say() {
        for x in [0.01_f64, 0.3, 0.5, 0.77, 0.999] {
            assert!((Beta::new(1.0, 1.0).below(x) - x).abs() < 1e-14);
            assert!((Beta::new(3.0, 1.0).below(x) - x.powi(3)).abs() < 1e-14);
            assert!((Beta::new(1.0, 40.0).below(x) - (1.0 - (1.0 - x).powi(40))).abs() < 1e-13);
            let arc_sine = 2.0 / std::f64::consts::PI * x.sqrt().asin();
            assert!((Beta::new(0.5, 0.5).below(x) - arc_sine).abs() < 1e-13);
        }
    }

    /// From scipy 1.17.1: `scipy.stats.beta.cdf`.
    #[test]
    fn large_parameters_keep_nine_digits() {
        for (a, b, x, expected) in [
            (47.0, 12_198.0, 0.004, 0.630_663_538_596_913_7),
            (1013.0, 235_000.0, 0.0045, 0.937_104_412_865_278_1),
        ] {
            let found = Beta::new(a, b).below(x);
            assert!((found - expected).abs() < 1e-9, "{a} {b} {x}: {found}");
        }
    }
}
