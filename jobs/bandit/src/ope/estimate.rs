//! The estimators: each a ratio of sums over trials.

use std::fmt;

use super::interval::{Interval, Ratio};
use super::trial::Trial;

/// Which estimator; the table is in the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Estimator {
    /// The logging policy's own value.
    OnPolicy,
    /// Inverse propensity scoring.
    Ips,
    /// Self-normalised inverse propensity scoring.
    Snips,
    /// Direct method: the reward model alone.
    Dm,
    /// Doubly robust.
    Dr,
    /// Replay.
    Replay,
}

impl Estimator {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OnPolicy, Self::Ips, Self::Snips, Self::Dm, Self::Dr, Self::Replay];
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OnPolicy => "on-policy",
            Self::Ips => "ips",
            Self::Snips => "snips",
            Self::Dm => "dm",
            Self::Dr => "dr",
            Self::Replay => "replay",
        })
    }
}

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Level of the intervals, such as 0.95.
    pub level: f64,
    /// Samples of the bootstrap; 0: none.
    pub resamples: u32,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Greatest importance weight; greater ones are clipped to it, which trades variance for
    /// bias.
    pub clip: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: 0.95, resamples: 1000, seed: 1, clip: None }
    }
}

/// A policy's estimated value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// By which estimator.
    pub estimator: Estimator,
    /// Rows that counted: those that matched, in a replay.
    pub rows: usize,
    /// Mean reward an impression.
    pub value: f64,
    /// By normal approximation, the variance of a ratio by the delta method.
    pub normal: Interval,
    /// By percentile bootstrap.
    pub bootstrap: Option<Interval>,
}

/// Estimates the value of a policy. Estimators that have nothing to go by are left out: DM and DR
/// without a reward model, replay without a match, all without trials.
#[must_use]
pub fn evaluate(trials: &[Trial], settings: &Settings) -> Vec<Estimate> {
    let estimate = |estimator| {
        let (ratio, rows) = ratio(estimator, trials, settings.clip)?;
        let value = ratio.value()?;
        let normal = ratio.normal(value, settings.level);
        let bootstrap = ratio.bootstrap(settings.level, settings.resamples, settings.seed);
        Some(Estimate { estimator, rows, value, normal, bootstrap })
    };
    Estimator::ALL.into_iter().filter_map(estimate).collect()
}

/// The estimator as a ratio, and how many rows count in it.
fn ratio(estimator: Estimator, trials: &[Trial], clip: Option<f64>) -> Option<(Ratio, usize)> {
    let weight = |t: &Trial| t.weight.min(clip.unwrap_or(f64::INFINITY));
    let ones = || vec![1.0; trials.len()];
    let mean = |top: Vec<f64>| Ratio { top, bottom: ones() };
    let modelled = |of: &dyn Fn(&Trial, (f64, f64)) -> f64| {
        trials.iter().map(|t| t.model.map(|model| of(t, model))).collect::<Option<Vec<_>>>()
    };
    let all = trials.len();
    Some(match estimator {
        Estimator::OnPolicy => (mean(trials.iter().map(|t| t.reward).collect()), all),
        Estimator::Ips => (mean(trials.iter().map(|t| weight(t) * t.reward).collect()), all),
        Estimator::Snips => {
            let top = trials.iter().map(|t| weight(t) * t.reward).collect();
            (Ratio { top, bottom: trials.iter().map(weight).collect() }, all)
        }
        Estimator::Dm => (mean(modelled(&|_, (_, policy)| policy)?), all),
        Estimator::Dr => {
            let row = |t: &Trial, (shown, policy)| policy + weight(t) * (t.reward - shown);
            (mean(modelled(&row)?), all)
        }
        Estimator::Replay => {
            let matched = |t: &Trial| f64::from(u8::from(t.matched));
            let top = trials.iter().map(|t| matched(t) * t.reward).collect();
            let rows = trials.iter().filter(|t| t.matched).count();
            (Ratio { top, bottom: trials.iter().map(matched).collect() }, rows)
        }
    })
}
