//! Logged rows as trials of the policy under evaluation, with a reward model from other rows.

use std::collections::BTreeMap;

use anyhow::Context;

use millrace_bandit::Distribution;
use millrace_bandit::ope::{RewardModel, SplitMix64, Trial};

use super::log::Logged;
use super::target::Target;

/// Impressions that the mean of all actions counts for in the reward model.
const WEIGHT: f64 = 100.0;

/// Reward models of each title.
struct Models {
    titles: BTreeMap<i64, RewardModel>,
    /// Of titles and ranks, the mean under the policy.
    means: BTreeMap<(i64, usize), f64>,
}

impl Models {
    fn learn<'a>(log: impl Iterator<Item = &'a Logged>, target: &Target) -> Self {
        let new = || RewardModel::new(WEIGHT);
        let mut titles: BTreeMap<i64, RewardModel> =
            target.keys().map(|title| (*title, new())).collect();
        for row in log {
            titles.entry(row.title).or_insert_with(new).add(row.action, row.reward > 0.0);
        }
        let mut means = BTreeMap::new();
        for (title, of_ranks) in target {
            for (rank, distribution) in of_ranks.iter().enumerate() {
                means.insert((*title, rank), mean(distribution, &titles[title]));
            }
        }
        Self { titles, means }
    }
}

fn mean(distribution: &Distribution, model: &RewardModel) -> f64 {
    let all = distribution.images().iter().zip(distribution.probabilities());
    let (mut value, mut sum) = (0.0, 0.0);
    for (image, probability) in all {
        value += probability * model.predict(*image);
        sum += probability;
    }
    value / sum
}

/// Where a reward model comes from: never from the row that it predicts.
pub(super) enum Teacher<'a> {
    /// Another log.
    Log(&'a [Logged]),
    /// The rows with even numbers teach those with odd ones, and these the even ones.
    Halves,
}

/// Every row as a trial. Replay draws what the policy would have shown from `seed`.
pub(super) fn trials(
    log: &[Logged],
    target: &Target,
    teacher: &Teacher<'_>,
    seed: u64,
) -> anyhow::Result<Vec<Trial>> {
    let models = match teacher {
        Teacher::Log(other) => vec![Models::learn(other.iter(), target)],
        Teacher::Halves => {
            let odd = log.iter().skip(1).step_by(2);
            vec![Models::learn(odd, target), Models::learn(log.iter().step_by(2), target)]
        }
    };
    let mut rng = SplitMix64::new(seed);
    let trial = |(number, row): (usize, &Logged)| {
        let place = || format!("row {} of the log", number + 1);
        let distribution = &target[&row.title][row.rank];
        if let Some(probability) = row.target {
            return Trial::new(row.reward, row.propensity, probability).with_context(place);
        }
        let probability = distribution.probability(row.action);
        let drawn = distribution.draw(&mut rng).map(|choice| choice.image);
        let models = &models[number % models.len()];
        Trial::new(row.reward, row.propensity, probability)
            .map(|trial| trial.matched(drawn == Some(row.action)))
            .and_then(|trial| {
                let shown = models.titles[&row.title].predict(row.action);
                trial.predicted(shown, models.means[&(row.title, row.rank)])
            })
            .with_context(place)
    };
    log.iter().enumerate().map(trial).collect()
}
