//! Runs the command: reads the log, makes the policy, estimates, prints.

use std::sync::Arc;

use anyhow::{bail, ensure};

use millrace_bandit::ope::{Estimate, Estimator, Settings, Trial, evaluate};
use millrace_events::NoProbe;
use millrace_spaas::sql::{SqlEngine, SqlLimits};

use super::log::{self, Logged, campaign_name, log_name};
use super::show::{Evaluation, batch};
use super::target::{self, Posteriors};
use super::trials::{Teacher, trials};
use crate::Verdict;
use crate::cli::{LogName, OpeArgs, PolicyArg};
use crate::{sql, store};

/// Most rows that a question may answer.
const MOST_ROWS: usize = 50_000_000;

/// Positions of a list in the Open Bandit data.
pub(super) const POSITIONS: usize = 3;

/// `millrace ope`.
pub(crate) async fn run(args: OpeArgs) -> anyhow::Result<Verdict> {
    let evaluations = match &args.sql {
        Some(question) => vec![of_question(&args, question).await?],
        None => of_open_bandit(&args)?,
    };
    sql::print(args.output, &batch(&evaluations))?;
    eprintln!(
        "value: mean reward an impression. low, high: {} % by normal approximation; bootstrap_…: \
         percentiles of {} resamples",
        args.level * 100.0,
        args.resamples
    );
    Ok(Verdict::Good)
}

const fn settings(args: &OpeArgs) -> Settings {
    let OpeArgs { level, resamples, seed, clip, .. } = args;
    Settings { level: *level, resamples: *resamples, seed: *seed, clip: *clip }
}

/// The bundled rows: the policy over the log that is asked for, and beside it the value that the
/// real Thompson policy logged.
pub(super) fn of_open_bandit(args: &OpeArgs) -> anyhow::Result<Vec<Evaluation>> {
    ensure!(args.policy != PolicyArg::Column, "`--policy column` reads rows of --sql");
    let (random, bts) = log::open_bandit(args.open_bandit.as_deref(), args.campaign)?;
    let (rows, other) = match args.from {
        LogName::Random => (&random, &bts),
        LogName::Bts => (&bts, &random),
    };
    let campaign = campaign_name(args.campaign);
    let (posteriors, learnt) = match (&args.parameters, args.learnt) {
        (Some(path), _) => (target::from_file(path, true)?, path.display().to_string()),
        (None, true) => (target::learnt(other), "learnt".to_owned()),
        (None, false) => (target::prior(campaign), "prior".to_owned()),
    };
    let policy = described(args.policy, &learnt);
    let candidates = target::candidates(&[rows, other], &posteriors);
    let target = target::target(args.policy, &candidates, &posteriors, POSITIONS, args.epsilon)?;
    ensure!(
        rows.iter().chain(other).all(|row| row.rank < POSITIONS),
        "a position of the data is not 1, 2 or 3"
    );
    let settings = settings(args);
    let trials = trials(rows, &target, &Teacher::Log(other), args.seed)?;
    let log = |log| format!("{}/{campaign}", log_name(log));
    let mut evaluations = vec![Evaluation {
        policy,
        log: log(args.from),
        // What the logging policy was worth is a row of its own, below.
        estimates: evaluate(&trials, &settings),
    }];
    evaluations[0].estimates.retain(|e| e.estimator != Estimator::OnPolicy);
    for (name, rows) in [(LogName::Random, &random), (LogName::Bts, &bts)] {
        let estimates = logged_value(rows, &settings)?.into_iter().collect();
        let policy = format!("{} (as logged)", log_name(name));
        evaluations.push(Evaluation { policy, log: log(name), estimates });
    }
    Ok(evaluations)
}

fn described(policy: PolicyArg, parameters: &str) -> String {
    match policy {
        PolicyArg::Uniform => "uniform".to_owned(),
        PolicyArg::Thompson => format!("thompson ({parameters})"),
        PolicyArg::Fixed(action) => format!("fixed:{action}"),
        PolicyArg::Column => "column".to_owned(),
    }
}

/// What the policy that logged `rows` was worth; nothing if there are none.
pub(super) fn logged_value(
    rows: &[Logged],
    settings: &Settings,
) -> anyhow::Result<Option<Estimate>> {
    let own = rows.iter().map(|row| Trial::new(row.reward, row.propensity, row.propensity));
    let own: Vec<_> = own.collect::<Result<_, _>>()?;
    let mut estimates = evaluate(&own, settings).into_iter();
    Ok(estimates.find(|estimate| estimate.estimator == Estimator::OnPolicy))
}

async fn of_question(args: &OpeArgs, question: &str) -> anyhow::Result<Evaluation> {
    let posteriors = match (&args.parameters, args.policy) {
        (Some(path), _) => target::from_file(path, false)?,
        (None, PolicyArg::Thompson) => bail!(
            "--policy thompson over --sql needs --parameters FILE: rows of the feed artwork_policy"
        ),
        (None, _) => Posteriors::new(),
    };
    let warehouse = store::open(&args.store, Arc::new(NoProbe)).await?;
    let limits = SqlLimits { rows: MOST_ROWS, ..SqlLimits::default() };
    let engine = SqlEngine::new(Arc::new(store::Tables(warehouse)), limits);
    let mut rows = engine.run(question).await?;
    let answered = rows.collect_all().await?;
    ensure!(!rows.truncated(), "--sql answers more than {MOST_ROWS} rows");
    let rows = log::from_batches(&answered)?;
    of_rows(args, &rows, &posteriors)
}

/// Estimates over rows that a question answered.
pub(super) fn of_rows(
    args: &OpeArgs,
    rows: &[Logged],
    posteriors: &Posteriors,
) -> anyhow::Result<Evaluation> {
    let says_target = rows.iter().all(|row| row.target.is_some());
    ensure!(
        says_target || args.policy != PolicyArg::Column,
        "`--policy column` needs a column `target`: the policy's probability of the logged action"
    );
    let column = args.policy == PolicyArg::Column;
    let rows: Vec<_> =
        rows.iter().map(|row| Logged { target: row.target.filter(|_| column), ..*row }).collect();
    let candidates = target::candidates(&[&rows], posteriors);
    let target = target::target(args.policy, &candidates, posteriors, 1, args.epsilon)?;
    let trials = trials(&rows, &target, &Teacher::Halves, args.seed)?;
    let parameters = args.parameters.as_ref().map(|path| path.display().to_string());
    Ok(Evaluation {
        policy: described(args.policy, parameters.as_deref().unwrap_or("no parameters")),
        log: "--sql".to_owned(),
        estimates: evaluate(&trials, &settings(args)),
    })
}
