//! Estimates over the bundled Open Bandit rows are those of the Python package obp 0.4.1
//! (`jobs/artwork-personalization/golden_ope.py`).

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser;
use serde::Deserialize;

use millrace_bandit::Distribution;
use millrace_bandit::ope::{Estimate, Settings, evaluate};

use super::log::{Logged, open_bandit};
use super::run::{of_open_bandit, of_rows};
use super::target::{self, Posteriors, Target};
use super::trials::{Teacher, trials};
use crate::cli::{Campaign, Cli, Command, OpeArgs, PolicyArg};

#[derive(Deserialize)]
struct Golden {
    settings: GoldenSettings,
    campaigns: BTreeMap<String, GoldenCampaign>,
}

#[derive(Deserialize)]
struct GoldenSettings {
    level: f64,
    resamples: u32,
    seed: u64,
}

#[derive(Deserialize)]
struct GoldenCampaign {
    distributions: BTreeMap<String, Vec<Vec<f64>>>,
    fixed: i64,
    logs: BTreeMap<String, BTreeMap<String, BTreeMap<String, GoldenEstimate>>>,
}

#[derive(Deserialize)]
struct GoldenEstimate {
    value: f64,
    normal: [f64; 2],
    bootstrap: [f64; 2],
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../jobs/artwork-personalization/golden/ope.ndjson");
    serde_json::from_slice(&std::fs::read(path).expect("committed")).expect("as written")
}

fn campaigns() -> [(&'static str, Campaign); 2] {
    [("all", Campaign::All), ("men", Campaign::Men)]
}

/// A distribution of the golden file, `[item][position]`.
fn as_target(items: &[Vec<f64>]) -> Target {
    let images: Vec<i64> = (0..).take(items.len()).collect();
    let of = |rank: usize| items.iter().map(|item| item[rank]).collect();
    let ranks = (0..3).map(|rank| Distribution::explored(images.clone(), of(rank), 0.0));
    BTreeMap::from([(0, ranks.collect())])
}

fn args(text: &str) -> OpeArgs {
    let words = ["millrace", "ope"].into_iter().chain(text.split_whitespace());
    match Cli::try_parse_from(words).expect("parses").command {
        Command::Ope(args) => *args,
        _ => unreachable!("it was asked for"),
    }
}

#[track_caller]
fn assert_agrees(found: &[Estimate], expected: &BTreeMap<String, GoldenEstimate>, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for estimate in found {
        let expected = &expected[&estimate.estimator.to_string()];
        let bootstrap = estimate.bootstrap.expect("asked for");
        for (found, expected) in [
            (estimate.value, expected.value),
            (estimate.normal.low, expected.normal[0]),
            (estimate.normal.high, expected.normal[1]),
            (bootstrap.low, expected.bootstrap[0]),
            (bootstrap.high, expected.bootstrap[1]),
        ] {
            let apart = (found - expected).abs();
            assert!(apart < 1e-9, "{what} {}: {found} {expected}", estimate.estimator);
        }
    }
}

#[test]
fn all_estimators_and_intervals_agree_on_the_real_rows() {
    let golden = golden();
    let GoldenSettings { level, resamples, seed } = golden.settings;
    let settings = Settings { level, resamples, seed, clip: None };
    for (name, campaign) in campaigns() {
        let (random, bts) = open_bandit(None, campaign).expect("bundled");
        let expected = &golden.campaigns[name];
        let items = expected.distributions["thompson"].len();
        for (log, of_log) in &expected.logs {
            let (rows, other) = if log == "random" { (&random, &bts) } else { (&bts, &random) };
            for (policy, of_policy) in of_log {
                let target = match policy.as_str() {
                    "uniform" => {
                        #[expect(clippy::cast_precision_loss, reason = "eighty items")]
                        let each = 1.0 / items as f64;
                        as_target(&vec![vec![each; 3]; items])
                    }
                    "fixed" => {
                        let candidates = target::candidates(&[rows, other], &Posteriors::new());
                        let fixed = PolicyArg::Fixed(expected.fixed);
                        target::target(fixed, &candidates, &Posteriors::new(), 3, 0.0)
                            .expect("logged")
                    }
                    kept => as_target(&expected.distributions[kept]),
                };
                let trials =
                    trials(rows, &target, &Teacher::Log(other), seed).expect("rows are sound");
                let found = evaluate(&trials, &settings);
                assert_agrees(&found, of_policy, &format!("{name} {log} {policy}"));
            }
        }
    }
}

/// Our integral is scipy's; obp's Monte Carlo is near both (the script asserts it).
#[test]
fn thompson_distributions_agree_with_an_independent_integration() {
    let golden = golden();
    for (name, campaign) in campaigns() {
        let (random, bts) = open_bandit(None, campaign).expect("bundled");
        for (kept, posteriors) in
            [("thompson", target::prior(name)), ("learnt", target::learnt(&bts))]
        {
            let candidates = target::candidates(&[&random, &bts], &posteriors);
            let found = target::target(PolicyArg::Thompson, &candidates, &posteriors, 3, 0.0);
            let expected = as_target(&golden.campaigns[name].distributions[kept]);
            for (found, expected) in found.expect("made")[&0].iter().zip(&expected[&0]) {
                assert_eq!(found.images(), expected.images());
                let pairs = found.probabilities().iter().zip(expected.probabilities());
                let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(apart < 1e-6, "{name} {kept}: {apart}");
            }
        }
    }
}

/// The command's own path: the policy over the log, then what the logging policies were worth.
#[test]
fn the_command_shows_the_policy_beside_what_was_logged() {
    let golden = golden();
    let found = of_open_bandit(&args("--resamples 0")).expect("bundled");
    let names: Vec<_> = found.iter().map(|e| (e.policy.as_str(), e.log.as_str())).collect();
    let expected = [
        ("thompson (prior)", "random/all"),
        ("random (as logged)", "random/all"),
        ("bts (as logged)", "bts/all"),
    ];
    assert_eq!(names, expected);
    let thompson = &golden.campaigns["all"].logs["random"]["thompson"];
    for estimate in &found[0].estimates {
        let expected = thompson[&estimate.estimator.to_string()].value;
        assert!((estimate.value - expected).abs() < 1e-7, "{estimate:?} {expected}");
    }
    assert!((found[1].estimates[0].value - 0.0038).abs() < 1e-12);
    assert!((found[2].estimates[0].value - 0.0042).abs() < 1e-12);
}

fn row(title: i64, action: i64, reward: f64) -> Logged {
    Logged { title, action, rank: 0, propensity: 0.5, reward, target: None }
}

#[test]
fn candidates_of_a_question_are_those_of_the_title() {
    let rows = [row(1, 10, 1.0), row(1, 11, 0.0), row(2, 20, 0.0), row(2, 21, 1.0)];
    let fixed = args("--policy fixed:10 --resamples 0 --sql x");
    let found = of_rows(&fixed, &rows, &Posteriors::new()).expect("sound").estimates;
    // Title 1 shows 10, with weight 2; title 2 has no 10 and is uniform, with weight 1.
    assert!((found[1].value - (2.0 + 0.0 + 0.0 + 1.0) / 4.0).abs() < 1e-12, "{found:?}");

    let missing = args("--policy fixed:5 --sql x");
    let error = of_rows(&missing, &rows, &Posteriors::new()).expect_err("no such action");
    assert!(error.to_string().contains("no title has the action 5"), "{error}");
    let column = args("--policy column --sql x");
    let error = of_rows(&column, &rows, &Posteriors::new()).expect_err("no target");
    assert!(error.to_string().contains("needs a column `target`"), "{error}");
    let wrong = Logged { propensity: 0.0, ..row(1, 10, 1.0) };
    let uniform = args("--policy uniform --sql x");
    let error = of_rows(&uniform, &[row(1, 11, 0.0), wrong], &Posteriors::new());
    let error = format!("{:#}", error.expect_err("not above 0"));
    assert!(error.contains("row 2 of the log: the propensity is 0"), "{error}");
}
