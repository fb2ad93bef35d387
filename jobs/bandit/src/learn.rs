//! What is learnt of an image: counts, and the sufficient statistics of a linear model.

use serde::{Deserialize, Serialize};

use crate::context::{Context, FEATURES};
use crate::numeric::real;

/// Length of the packed lower triangle of a matrix over the features.
pub const TRIANGLE: usize = FEATURES * (FEATURES + 1) / 2;

/// How often an image was shown and how often played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Impressions.
    pub impressions: u64,
    /// Impressions that led to a play.
    pub plays: u64,
}

impl Counts {
    /// Adds an impression.
    pub fn add(&mut self, played: bool) {
        self.impressions += 1;
        self.plays += u64::from(played);
    }

    /// Takes an impression back that was added.
    pub fn retract(&mut self, played: bool) {
        self.impressions = self.impressions.saturating_sub(1);
        self.plays = self.plays.saturating_sub(u64::from(played));
    }

    /// Adds what others have counted.
    pub fn merge(&mut self, other: Self) {
        self.impressions += other.impressions;
        self.plays += other.plays;
    }

    /// Plays per impression after `weight` impressions that were played at the rate `prior`.
    #[must_use]
    pub fn rate(&self, prior: f64, weight: f64) -> f64 {
        (real(self.plays) + prior * weight) / (real(self.impressions) + weight)
    }
}

/// Why statistics were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The text is no JSON list of numbers.
    #[error("`{column}` is no JSON list of numbers")]
    NotNumbers {
        /// `a` or `b`.
        column: &'static str,
    },
    /// The list has another length than the features ask for.
    #[error("`{column}` has {found} numbers; {expected} are expected")]
    Length {
        /// `a` or `b`.
        column: &'static str,
        /// Numbers there are.
        found: usize,
        /// Numbers there must be.
        expected: usize,
    },
}

/// Sufficient statistics of a linear model of an image's reward: `Σ x xᵀ` and `Σ r x`.
///
/// Rewards are 0 or 1 and features are multiples of 1/1024, so all sums are exact: adding,
/// merging and taking back in any order give the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearStats {
    a: Box<[f64; TRIANGLE]>,
    b: [f64; FEATURES],
}

impl Default for LinearStats {
    fn default() -> Self {
        Self { a: Box::new([0.0; TRIANGLE]), b: [0.0; FEATURES] }
    }
}

impl LinearStats {
    /// Adds an impression.
    pub fn add(&mut self, context: &Context, played: bool) {
        self.change(context, played, 1.0);
    }

    /// Takes an impression back that was added.
    pub fn retract(&mut self, context: &Context, played: bool) {
        self.change(context, played, -1.0);
    }

    fn change(&mut self, context: &Context, played: bool, sign: f64) {
        add_outer(&mut self.a[..], context, sign);
        if played {
            add_scaled(&mut self.b, context, sign);
        }
    }

    /// Adds what others have summed.
    pub fn merge(&mut self, other: &Self) {
        self.a.iter_mut().zip(other.a.iter()).for_each(|(sum, more)| *sum += more);
        self.b.iter_mut().zip(&other.b).for_each(|(sum, more)| *sum += more);
    }

    /// `Σ x xᵀ`: its lower triangle row by row, as a JSON list.
    #[must_use]
    pub fn a_json(&self) -> String {
        numbers_json(&self.a[..])
    }

    /// `Σ r x` as a JSON list.
    #[must_use]
    pub fn b_json(&self) -> String {
        numbers_json(&self.b)
    }

    /// Statistics from the columns `a` and `b` of the feed `artwork_policy`.
    pub fn from_json(a: &str, b: &str) -> Result<Self, LearnError> {
        Ok(Self { a: Box::new(numbers("a", a)?), b: numbers("b", b)? })
    }

    pub(crate) fn a(&self) -> &[f64; TRIANGLE] {
        &self.a
    }

    pub(crate) const fn b(&self) -> &[f64; FEATURES] {
        &self.b
    }
}

/// Adds `sign · x xᵀ` to the packed lower triangle `sum`, which has [`TRIANGLE`] numbers.
pub fn add_outer(sum: &mut [f64], context: &Context, sign: f64) {
    let features = context.features();
    let mut at = 0;
    for (row, left) in features.iter().enumerate() {
        for right in &features[..=row] {
            sum[at] += sign * left * right;
            at += 1;
        }
    }
}

/// Adds `scale · x` to `sum`, which has [`FEATURES`] numbers.
pub fn add_scaled(sum: &mut [f64], context: &Context, scale: f64) {
    sum.iter_mut().zip(context.features()).for_each(|(sum, x)| *sum += scale * x);
}

/// Numbers as a JSON list: the shortest texts that read back as the same numbers.
#[must_use]
pub fn numbers_json(numbers: &[f64]) -> String {
    serde_json::to_string(numbers).expect("numbers are JSON")
}

fn numbers<const N: usize>(column: &'static str, text: &str) -> Result<[f64; N], LearnError> {
    let list: Vec<f64> =
        serde_json::from_str(text).map_err(|_| LearnError::NotNumbers { column })?;
    let found = list.len();
    list.try_into().map_err(|_| LearnError::Length { column, found, expected: N })
}
