//! A logged impression, beside what the policy under evaluation would have done.

/// Why a logged row cannot be evaluated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrialError {
    /// The logging policy cannot have shown what it gave no probability.
    #[error("the propensity is {0}; it must be above 0 and at most 1")]
    Propensity(f64),
    /// A probability is between 0 and 1.
    #[error("the probability of the policy under evaluation is {0}; it must be within 0 and 1")]
    Target(f64),
    /// A reward or a model's prediction is a finite number.
    #[error("the {0} is no finite number")]
    NotFinite(&'static str),
}

/// A logged impression. Build it with [`Trial::new`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    pub(super) reward: f64,
    /// π(a) / p of the image shown.
    pub(super) weight: f64,
    /// Whether the policy under evaluation would have shown the same.
    pub(super) matched: bool,
    /// The reward model's prediction for what was shown, and its mean under the policy.
    pub(super) model: Option<(f64, f64)>,
}

impl Trial {
    /// `propensity`: of the logging policy, for the image shown; `target`: the probability that
    /// the policy under evaluation gives to this image. It matches in a replay if that is 1; use
    /// [`Self::matched`] for a policy that draws.
    pub fn new(reward: f64, propensity: f64, target: f64) -> Result<Self, TrialError> {
        if !(propensity > 0.0 && propensity <= 1.0) {
            return Err(TrialError::Propensity(propensity));
        }
        // Computed probabilities sum to 1 but for rounding.
        if !(0.0..=1.0 + 1e-9).contains(&target) {
            return Err(TrialError::Target(target));
        }
        if !reward.is_finite() {
            return Err(TrialError::NotFinite("reward"));
        }
        Ok(Self { reward, weight: target / propensity, matched: target >= 1.0, model: None })
    }

    /// Says whether the policy, drawing, would have shown the same.
    #[must_use]
    pub const fn matched(self, matched: bool) -> Self {
        Self { matched, ..self }
    }

    /// Adds what a reward model predicts: `shown` for the image shown, `policy` the mean
    /// `Σ π(a) q(a)` over all candidates.
    pub fn predicted(self, shown: f64, policy: f64) -> Result<Self, TrialError> {
        if shown.is_finite() && policy.is_finite() {
            Ok(Self { model: Some((shown, policy)), ..self })
        } else {
            Err(TrialError::NotFinite("prediction of the reward model"))
        }
    }
}
