//! The guard: follows a policy until the log says that one fixed image would have done better.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::learn::Counts;
use crate::numeric::{normal_quantile, real};

/// What to do with a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ruling {
    /// Follow the policy.
    Follow,
    /// Show this image (with the policy's exploration: the guard learns from it).
    Fixed {
        /// The best fixed image.
        image: i64,
    },
}

/// When a policy is given up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Probability of giving up a policy that is as good as every fixed image, at most.
    pub level: f64,
    /// Impressions before which nothing is ruled: the test's approximation needs them.
    pub least: u64,
}

impl Default for Guard {
    fn default() -> Self {
        Self { level: 0.01, least: 500 }
    }
}

/// Sums over the rewards of one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    /// Σ w r and Σ (w r)²: the policy's part.
    policy: f64,
    policy_squares: f64,
    /// Σ r/p: the fixed image's part.
    fixed: f64,
    /// Σ ((w − 1/p) r)²
    apart_squares: f64,
}

/// Sums of a title's logged impressions that the guard rules by; mergeable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GuardStats {
    impressions: u64,
    images: BTreeMap<i64, Sums>,
}

impl GuardStats {
    /// Adds a logged impression: `propensity` is that of the policy that chose, `target` the
    /// probability that the policy under guard gives to this image (the same, if it chose).
    pub fn add(&mut self, image: i64, propensity: f64, target: f64, reward: f64) {
        self.impressions += 1;
        let sums = self.images.entry(image).or_default();
        let (policy, fixed) = (target / propensity * reward, reward / propensity);
        sums.policy += policy;
        sums.policy_squares += policy * policy;
        sums.fixed += fixed;
        sums.apart_squares += (policy - fixed).powi(2);
    }

    /// Adds the impressions of an image that the policy itself chose, as the feed `artwork_policy`
    /// sums them: `inverse` is the sum of 1/p over those that were played, `inverse_squares` that
    /// of 1/p².
    pub fn add_sums(&mut self, image: i64, counts: Counts, inverse: f64, inverse_squares: f64) {
        let plays = real(counts.plays);
        self.impressions += counts.impressions;
        let sums = self.images.entry(image).or_default();
        sums.policy += plays;
        sums.policy_squares += plays;
        sums.fixed += inverse;
        // (1 − 1/p)² = 1 − 2/p + 1/p²
        sums.apart_squares += plays - 2.0 * inverse + inverse_squares;
    }

    /// Adds what others have summed.
    pub fn merge(&mut self, other: &Self) {
        self.impressions += other.impressions;
        for (image, more) in &other.images {
            let sums = self.images.entry(*image).or_default();
            sums.policy += more.policy;
            sums.policy_squares += more.policy_squares;
            sums.fixed += more.fixed;
            sums.apart_squares += more.apart_squares;
        }
    }
}

impl Guard {
    /// Rules by the log.
    ///
    /// Of each image, the difference of the IPS estimates of policy and image is a mean over
    /// impressions, `(w − [image shown]/p) r`; the policy is given up if the mean of the image
    /// with the greatest estimate is below 0 by a one-sided normal test at `level`, divided by the
    /// number of images because the best was picked among them.
    pub fn rule(&self, stats: &GuardStats) -> Ruling {
        let n = real(stats.impressions);
        let best = stats.images.iter().max_by(|a, b| a.1.fixed.total_cmp(&b.1.fixed));
        let Some((image, best)) = best.filter(|_| stats.impressions >= self.least.max(2)) else {
            return Ruling::Follow;
        };
        let policy: f64 = stats.images.values().map(|s| s.policy).sum();
        let squares: f64 = stats.images.values().map(|s| s.policy_squares).sum();
        let mean = (policy - best.fixed) / n;
        let mean_square = (squares - best.policy_squares + best.apart_squares) / n;
        let variance = (mean_square - mean * mean).max(0.0) * n / (n - 1.0);
        let tests = real(stats.images.len() as u64);
        let z = normal_quantile(1.0 - self.level / tests);
        if mean + z * (variance / n).sqrt() < 0.0 {
            Ruling::Fixed { image: *image }
        } else {
            Ruling::Follow
        }
    }
}
