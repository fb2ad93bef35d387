//! The policy under evaluation: its distribution over each title's candidates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use millrace_bandit::{BetaPrior, Counts, Distribution, thompson_ranks};

use super::log::Logged;
use crate::cli::PolicyArg;

/// Priors of the policy that logged the data set's `bts`: see `jobs/data/open-bandit/README.md`.
const PRIOR: &str = include_str!("../../../jobs/data/open-bandit/bts-prior.csv");

/// Posteriors of the actions of titles.
pub(super) type Posteriors = BTreeMap<i64, BTreeMap<i64, BetaPrior>>;

/// The candidates of each title.
pub(super) type Candidates = BTreeMap<i64, BTreeSet<i64>>;

/// Distributions of each title, one a rank.
pub(super) type Target = BTreeMap<i64, Vec<Distribution>>;

/// Parameters of the real Thompson policy of a campaign before its first impression.
pub(super) fn prior(campaign: &str) -> Posteriors {
    let line = |line: &str| {
        let mut cells = line.split(',');
        let ours = cells.next() == Some(campaign);
        let mut number = || cells.next()?.parse::<f64>().ok();
        let (item, alpha, beta) = (number()?, number()?, number()?);
        #[expect(clippy::cast_possible_truncation, reason = "items are whole and few")]
        ours.then_some((item as i64, BetaPrior { alpha, beta }))
    };
    BTreeMap::from([(0, PRIOR.lines().skip(1).filter_map(line).collect())])
}

/// What a log teaches, from Beta(1, 1).
pub(super) fn learnt(log: &[Logged]) -> Posteriors {
    let mut counts: BTreeMap<i64, BTreeMap<i64, Counts>> = BTreeMap::new();
    for row in log {
        let of_title = counts.entry(row.title).or_default();
        of_title.entry(row.action).or_default().add(row.reward > 0.0);
    }
    let posterior = |counts| BetaPrior::default().after(counts);
    let of_title = |of: BTreeMap<i64, Counts>| of.into_iter().map(|(a, c)| (a, posterior(c)));
    counts.into_iter().map(|(title, of)| (title, of_title(of).collect())).collect()
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    title_id: i64,
    artwork_id: i64,
    alpha: f64,
    beta: f64,
}

/// Parameters from a file of JSON lines; the last of an action counts. With `one_title` there is
/// one title, whatever the file says.
pub(super) fn from_file(path: &Path, one_title: bool) -> anyhow::Result<Posteriors> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read the parameters {}", path.display()))?;
    let mut found = Posteriors::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}, line {number}", path.display());
        let row: Parameters = serde_json::from_str(line).with_context(place)?;
        let finite = row.alpha.is_finite() && row.beta.is_finite();
        ensure!(
            finite && row.alpha > 0.0 && row.beta > 0.0,
            "{}: alpha and beta must be above 0",
            place()
        );
        let title = if one_title { 0 } else { row.title_id };
        let posterior = BetaPrior { alpha: row.alpha, beta: row.beta };
        found.entry(title).or_default().insert(row.artwork_id, posterior);
    }
    ensure!(!found.is_empty(), "{} has no parameters", path.display());
    Ok(found)
}

/// All actions of the log, and those that have parameters.
pub(super) fn candidates(logs: &[&[Logged]], posteriors: &Posteriors) -> Candidates {
    let mut found = Candidates::new();
    for row in logs.iter().flat_map(|log| log.iter()) {
        found.entry(row.title).or_default().insert(row.action);
    }
    for (title, of_title) in posteriors {
        if let Some(actions) = found.get_mut(title) {
            actions.extend(of_title.keys());
        }
    }
    found
}

/// The distributions of a policy. An action without parameters has Beta(1, 1).
pub(super) fn target(
    policy: PolicyArg,
    candidates: &Candidates,
    posteriors: &Posteriors,
    ranks: usize,
    epsilon: f64,
) -> anyhow::Result<Target> {
    if let PolicyArg::Fixed(action) = policy
        && !candidates.values().any(|of_title| of_title.contains(&action))
    {
        bail!("no title has the action {action}: it is neither logged nor in the parameters");
    }
    let none = BTreeMap::new();
    let of_title = |(title, actions): (&i64, &BTreeSet<i64>)| {
        let actions: Vec<i64> = actions.iter().copied().collect();
        let known = posteriors.get(title).unwrap_or(&none);
        let preferred = preferred(policy, &actions, known, ranks);
        let explored = |p| Distribution::explored(actions.clone(), p, epsilon);
        (*title, preferred.into_iter().map(explored).collect())
    };
    Ok(candidates.iter().map(of_title).collect())
}

fn preferred(
    policy: PolicyArg,
    actions: &[i64],
    known: &BTreeMap<i64, BetaPrior>,
    ranks: usize,
) -> Vec<Vec<f64>> {
    let count = u32::try_from(actions.len()).map_or(f64::INFINITY, f64::from);
    let even = || vec![1.0 / count; actions.len()];
    match policy {
        PolicyArg::Fixed(action) if actions.contains(&action) => {
            let all_on_it = |a: &i64| f64::from(u8::from(*a == action));
            vec![actions.iter().map(all_on_it).collect(); ranks]
        }
        PolicyArg::Thompson => {
            let posterior = |a: &i64| known.get(a).copied().unwrap_or_default();
            thompson_ranks(&actions.iter().map(posterior).collect::<Vec<_>>(), ranks)
        }
        PolicyArg::Uniform | PolicyArg::Column | PolicyArg::Fixed(_) => vec![even(); ranks],
    }
}
