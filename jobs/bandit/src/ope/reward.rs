//! A reward model: the play rate of each image, drawn towards the rate of all.

use std::collections::BTreeMap;

use crate::learn::Counts;
use crate::numeric::real;

/// `q(a) = (plays + m · rate of all) / (impressions + m)`. Learn it on other rows than those that
/// are evaluated, else DR is biased by its own rewards.
#[derive(Debug, Clone, Default)]
pub struct RewardModel {
    images: BTreeMap<i64, Counts>,
    all: Counts,
    weight: f64,
}

impl RewardModel {
    /// `weight`: impressions that the rate of all counts for, m; above 0.
    #[must_use]
    pub fn new(weight: f64) -> Self {
        Self { weight, ..Self::default() }
    }

    /// Adds an impression.
    pub fn add(&mut self, image: i64, played: bool) {
        self.images.entry(image).or_default().add(played);
        self.all.add(played);
    }

    /// The predicted reward of an image.
    #[must_use]
    pub fn predict(&self, image: i64) -> f64 {
        let all = real(self.all.plays) / real(self.all.impressions.max(1));
        self.images.get(&image).copied().unwrap_or_default().rate(all, self.weight)
    }
}
