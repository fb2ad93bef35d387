//! An image as a policy sees it.

use crate::learn::{Counts, LinearStats};
use crate::linear::LinearModel;

/// What is known of an image: one row of the feed `artwork_policy`, made ready for requests.
#[derive(Debug, Clone, Default)]
pub struct Arm {
    counts: Counts,
    model: Option<LinearModel>,
}

impl Arm {
    /// Fits the linear model, if there are statistics, with the ridge `lambda` (above 0).
    #[must_use]
    pub fn new(counts: Counts, stats: Option<&LinearStats>, lambda: f64) -> Self {
        Self { counts, model: stats.map(|stats| LinearModel::fit(stats, lambda)) }
    }

    /// Impressions and plays.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The linear model; without one a linear policy takes that of an image never shown.
    #[must_use]
    pub const fn model(&self) -> Option<&LinearModel> {
        self.model.as_ref()
    }
}

/// An image that may be shown, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Number of the image.
    pub image: i64,
    /// What is known of it; an image never shown has `Arm::default()`.
    pub arm: &'a Arm,
}
