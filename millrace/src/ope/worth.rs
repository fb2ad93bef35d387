//! What Thompson sampling is worth by the impressions that are in the tables.

use anyhow::{Context, ensure};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};

use millrace_bandit::ope::{Estimate, Estimator, Settings, evaluate};

use super::log::{self, Logged};
use super::run::{POSITIONS, logged_value};
use super::target;
use super::trials::{Teacher, trials};
use crate::cli::PolicyArg;

const SEED: u64 = 1;

/// The impressions of `policy` in campaign `all` with their rewards, as SQL; [`worth`] wants them.
pub(crate) fn question(policy: &str) -> String {
    format!(
        "SELECT i.item_id AS action, i.position AS position, i.propensity AS propensity,
                CASE WHEN c.impression_id IS NULL THEN 0 ELSE 1 END AS reward
         FROM raw.impressions i
         LEFT JOIN (SELECT DISTINCT impression_id FROM raw.clicks) c ON c.impression_id = i.event_id
         WHERE i.campaign = 'all' AND i.policy = '{policy}'
         ORDER BY i.event_id"
    )
}

/// What a policy was found to be worth.
#[derive(Debug)]
pub(crate) struct Worth {
    /// Of Thompson sampling, from the log of the uniform policy.
    pub(crate) estimated: Vec<Estimate>,
    /// Of the Thompson sampling that really ran, as its log has it.
    pub(crate) logged: Estimate,
}

/// The value of Thompson sampling with the parameters that the real one began with, estimated from
/// the rows of `random`, beside what the real one logged in those of `bts`. Both answer
/// [`question`].
pub(crate) fn worth(random: &[RecordBatch], bts: &[RecordBatch]) -> anyhow::Result<Worth> {
    let (random, bts) = (ranked(random)?, ranked(bts)?);
    let prior = target::prior("all");
    let candidates = target::candidates(&[&random, &bts], &prior);
    let target = target::target(PolicyArg::Thompson, &candidates, &prior, POSITIONS, 0.0)?;
    let settings = Settings { resamples: 0, ..Settings::default() };
    let trials = trials(&random, &target, &Teacher::Log(&bts), SEED)?;
    let mut estimated = evaluate(&trials, &settings);
    estimated.retain(|estimate| estimate.estimator != Estimator::OnPolicy);
    let logged = logged_value(&bts, &settings)?.context("nothing was logged")?;
    Ok(Worth { estimated, logged })
}

/// Rows with their places in the lists that they were shown in.
fn ranked(batches: &[RecordBatch]) -> anyhow::Result<Vec<Logged>> {
    let mut rows = log::from_batches(batches)?;
    let mut positions = Vec::with_capacity(rows.len());
    for batch in batches {
        let column = log::wanted(batch, "position", &DataType::Int64)?;
        positions.extend_from_slice(column.as_primitive::<Int64Type>().values());
    }
    for (row, position) in rows.iter_mut().zip(positions) {
        row.rank = usize::try_from(position - 1).unwrap_or(usize::MAX);
        ensure!(row.rank < POSITIONS, "a position of the data is not 1, 2 or 3");
    }
    Ok(rows)
}
