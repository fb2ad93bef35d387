//! Confidence intervals of a ratio of sums: by normal approximation and by bootstrap.

use rand::RngCore;

use crate::numeric::{normal_quantile, real};

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Steele, Lea and Flood's generator "SplitMix64": small, and easily repeated in any language.
#[derive(Debug, Clone, Copy)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is below 2^32: the upper 32 bits, scaled.
    fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(end)) >> 32) as u32
    }
}

impl RngCore for SplitMix64 {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A value `Σ top / Σ bottom`, row by row; a mean has 1 below.
pub(super) struct Ratio {
    pub(super) top: Vec<f64>,
    pub(super) bottom: Vec<f64>,
}

impl Ratio {
    /// `None` if there is nothing below the line.
    pub(super) fn value(&self) -> Option<f64> {
        let bottom: f64 = self.bottom.iter().sum();
        (bottom > 0.0).then(|| self.top.iter().sum::<f64>() / bottom)
    }

    /// Normal approximation; the variance is that of the linearised ratio (delta method), which
    /// for a mean is the sample variance.
    pub(super) fn normal(&self, value: f64, level: f64) -> Interval {
        let n = real(self.top.len() as u64);
        let bottom = self.bottom.iter().sum::<f64>() / n;
        let rows = self.top.iter().zip(&self.bottom);
        let squares: f64 = rows.map(|(top, below)| (top - value * below).powi(2)).sum();
        let error = (squares / (n - 1.0).max(1.0) / n).sqrt() / bottom;
        let reach = normal_quantile(0.5 + level / 2.0) * error;
        Interval { low: value - reach, high: value + reach }
    }

    /// Percentile bootstrap over rows: quantiles of the ratio over `resamples` samples with
    /// replacement, between order statistics as numpy's default. Samples without anything below
    /// the line are left out.
    pub(super) fn bootstrap(&self, level: f64, resamples: u32, seed: u64) -> Option<Interval> {
        let rows = u32::try_from(self.top.len()).ok()?;
        let mut rng = SplitMix64::new(seed);
        let mut values = Vec::with_capacity(resamples as usize);
        for _ in 0..resamples {
            let (mut top, mut bottom) = (0.0, 0.0);
            for _ in 0..rows {
                let row = rng.below(rows) as usize;
                top += self.top[row];
                bottom += self.bottom[row];
            }
            if bottom > 0.0 {
                values.push(top / bottom);
            }
        }
        values.sort_by(f64::total_cmp);
        let low = quantile(&values, 0.5 - level / 2.0)?;
        Some(Interval { low, high: quantile(&values, 0.5 + level / 2.0)? })
    }
}

/// The quantile of sorted values, linear between neighbours.
fn quantile(sorted: &[f64], probability: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = probability * real(last as u64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the list")]
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor()))
}
