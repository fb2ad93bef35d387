//! Policies: which of a title's images to show, with what probability.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::arm::Candidate;
use crate::context::Context;
use crate::learn::{Counts, LinearStats};
use crate::linear::LinearModel;
use crate::numeric::{Beta, Normal, rank_probabilities, real};

/// The Beta distribution that an image's play rate has before it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetaPrior {
    /// Plays seen before the first; above 0.
    pub alpha: f64,
    /// Impressions without play seen before the first; above 0.
    pub beta: f64,
}

impl Default for BetaPrior {
    /// Uniform over all rates.
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0 }
    }
}

impl BetaPrior {
    /// The posterior after `counts`.
    #[must_use]
    pub fn after(self, counts: Counts) -> Self {
        let misses = real(counts.impressions.saturating_sub(counts.plays));
        Self { alpha: self.alpha + real(counts.plays), beta: self.beta + misses }
    }
}

/// How a policy prefers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PolicyKind {
    /// Every candidate alike.
    Uniform,
    /// One image whenever it is a candidate; among others, every candidate alike.
    Fixed {
        /// The image.
        image: i64,
    },
    /// Each image as often as its play rate, drawn from its posterior, is the greatest
    /// (Thompson 1933; Chapelle and Li 2011).
    BernoulliThompson {
        /// Before the first impression.
        prior: BetaPrior,
    },
    /// The image with the greatest upper confidence bound `xᵀθ + width · √(xᵀA⁻¹x)`, one model an
    /// image (Li, Chu, Langford and Schapire 2010, algorithm 1).
    LinUcb {
        /// α of the paper.
        width: f64,
        /// The ridge of an image without statistics of its own.
        lambda: f64,
    },
    /// Each image as often as its reward, drawn from Normal(xᵀθ, noise² xᵀA⁻¹x), is the greatest
    /// (Agrawal and Goyal 2013, one model an image).
    LinearThompson {
        /// Deviation of the noise, v of the paper; above 0.
        noise: f64,
        /// The ridge of an image without statistics of its own.
        lambda: f64,
    },
}

/// A policy with its minimum of exploration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How it prefers.
    #[serde(flatten)]
    pub kind: PolicyKind,
    /// Share of the requests that is explored uniformly, 0 to 1: with k candidates none is chosen
    /// with less than `epsilon / k`.
    pub epsilon: f64,
}

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The image.
    pub image: i64,
    /// The probability with which it was chosen.
    pub propensity: f64,
}

/// The candidates with their probabilities.
///
/// A policy without context has the same one until its parameters change: keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    images: Vec<i64>,
    probabilities: Vec<f64>,
}

impl Distribution {
    /// `preferred`: the probability of each of `images`, summing to 1, before the share `epsilon`
    /// (0 to 1) of uniform exploration. Panics unless there is one for each image.
    #[must_use]
    pub fn explored(images: Vec<i64>, preferred: Vec<f64>, epsilon: f64) -> Self {
        assert_eq!(images.len(), preferred.len(), "a probability for each image");
        let even = 1.0 / real(images.len().max(1) as u64);
        let epsilon = epsilon.clamp(0.0, 1.0);
        let mixed = |p: f64| epsilon * even + (1.0 - epsilon) * p;
        Self { images, probabilities: preferred.into_iter().map(mixed).collect() }
    }

    /// Candidates, in the order they were given.
    #[must_use]
    pub fn images(&self) -> &[i64] {
        &self.images
    }

    /// Their probabilities; they sum to 1.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The probability of `image`; 0 if it is no candidate.
    #[must_use]
    pub fn probability(&self, image: i64) -> f64 {
        let all = self.images.iter().zip(&self.probabilities);
        all.filter(|(candidate, _)| **candidate == image).map(|(_, p)| p).sum()
    }

    /// Draws an image. `None` if there is no candidate.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Choice> {
        let mut left: f64 = rng.random();
        let mut chosen = self.images.len().checked_sub(1)?;
        for (at, probability) in self.probabilities.iter().enumerate() {
            if left < *probability {
                chosen = at;
                break;
            }
            left -= probability;
        }
        Some(Choice { image: self.images[chosen], propensity: self.probabilities[chosen] })
    }
}

impl Policy {
    /// Chooses one of `candidates`; `None` if there is none.
    pub fn choose<R: Rng + ?Sized>(
        &self,
        candidates: &[Candidate<'_>],
        context: &Context,
        rng: &mut R,
    ) -> Option<Choice> {
        self.distribution(candidates, context).draw(rng)
    }

    /// The probability of each candidate: exploration included, summing to 1.
    ///
    /// Thompson's probabilities are integrals (see `numeric::greatest`), computed to about 1e-6
    /// and scaled to a sum of 1. What a request shows is drawn from this distribution, not by
    /// sampling parameters, so that the propensity that is logged is the true one.
    #[must_use]
    pub fn distribution(&self, candidates: &[Candidate<'_>], context: &Context) -> Distribution {
        let images = candidates.iter().map(|c| c.image).collect();
        let even = 1.0 / real(candidates.len().max(1) as u64);
        Distribution::explored(images, self.preferred(candidates, context, even), self.epsilon)
    }

    fn preferred(&self, candidates: &[Candidate<'_>], context: &Context, even: f64) -> Vec<f64> {
        match self.kind {
            _ if candidates.len() < 2 => vec![1.0; candidates.len()],
            PolicyKind::Uniform => vec![even; candidates.len()],
            PolicyKind::Fixed { image } => {
                greatest(candidates.iter().map(|c| f64::from(u8::from(c.image == image))))
            }
            PolicyKind::BernoulliThompson { prior } => {
                let posterior = |c: &Candidate<'_>| prior.after(c.arm.counts());
                let posteriors: Vec<_> = candidates.iter().map(posterior).collect();
                thompson_ranks(&posteriors, 1).swap_remove(0)
            }
            PolicyKind::LinUcb { width, lambda } => {
                let models = Models::of(candidates, lambda);
                greatest(models.iter().map(|m| m.mean(context) + width * m.width(context)))
            }
            PolicyKind::LinearThompson { noise, lambda } => {
                let models = Models::of(candidates, lambda);
                let posterior =
                    |m: &LinearModel| Normal::new(m.mean(context), noise * m.width(context));
                let posteriors: Vec<_> = models.iter().map(posterior).collect();
                rank_probabilities(&posteriors, 1).swap_remove(0)
            }
        }
    }
}

/// The models of candidates; images never shown share one.
struct Models<'a> {
    candidates: &'a [Candidate<'a>],
    unseen: Option<LinearModel>,
}

impl<'a> Models<'a> {
    fn of(candidates: &'a [Candidate<'a>], lambda: f64) -> Self {
        let missing = candidates.iter().any(|c| c.arm.model().is_none());
        let unseen = missing.then(|| LinearModel::fit(&LinearStats::default(), lambda));
        Self { candidates, unseen }
    }

    fn iter(&self) -> impl Iterator<Item = &LinearModel> {
        // One of both is there: `unseen` is fitted whenever a candidate has no model.
        self.candidates.iter().filter_map(|c| c.arm.model().or(self.unseen.as_ref()))
    }
}

/// All probability on the greatest; equals share it.
fn greatest(scores: impl Iterator<Item = f64>) -> Vec<f64> {
    let scores: Vec<f64> = scores.collect();
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let is_best = |score: &f64| *score >= best;
    let share = 1.0 / real(scores.iter().filter(|s| is_best(s)).count().max(1) as u64);
    scores.iter().map(|score| if is_best(score) { share } else { 0.0 }).collect()
}

/// `result[rank][i]`: the probability that the play rate of image `i`, drawn from its posterior,
/// has exactly `rank` of the others above it. Rank 0 is what Bernoulli Thompson sampling shows;
/// the ranks after it are what it shows at the further positions of a list.
#[must_use]
pub fn thompson_ranks(posteriors: &[BetaPrior], ranks: usize) -> Vec<Vec<f64>> {
    let variables: Vec<_> = posteriors.iter().map(|p| Beta::new(p.alpha, p.beta)).collect();
    rank_probabilities(&variables, ranks.max(1))
}
