//! Logged impressions: the bundled Open Bandit rows, or those of a question to the tables.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde::Deserialize;

use millrace_events::OpenBandit;

use crate::cli::{Campaign, LogName};

/// A logged impression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Logged {
    /// Whose actions are the candidates.
    pub(super) title: i64,
    pub(super) action: i64,
    /// Place in a list that is shown together: 0 is the first.
    pub(super) rank: usize,
    pub(super) propensity: f64,
    pub(super) reward: f64,
    /// The probability that the policy under evaluation gives to the action, if a row says so.
    pub(super) target: Option<f64>,
}

/// The name of a campaign in the data.
pub(super) const fn campaign_name(campaign: Campaign) -> &'static str {
    match campaign {
        Campaign::All => "all",
        Campaign::Men => "men",
    }
}

/// The name of a log in the data.
pub(super) const fn log_name(log: LogName) -> &'static str {
    match log {
        LogName::Random => "random",
        LogName::Bts => "bts",
    }
}

#[derive(Deserialize)]
struct Impression<'a> {
    event_id: &'a str,
    campaign: &'a str,
    policy: &'a str,
    item_id: i64,
    position: usize,
    propensity: f64,
}

#[derive(Deserialize)]
struct Click<'a> {
    impression_id: &'a str,
}

/// Both logs of a campaign, bundled or from `dir`: those of the uniform policy, then those of
/// Thompson sampling. All items of a campaign are candidates of one title.
pub(super) fn open_bandit(
    dir: Option<&Path>,
    campaign: Campaign,
) -> anyhow::Result<(Vec<Logged>, Vec<Logged>)> {
    let events = match dir {
        Some(dir) => OpenBandit::open(dir),
        None => OpenBandit::bundled(),
    };
    let mut logs = (Vec::new(), Vec::new());
    let mut ids = (Vec::new(), Vec::new());
    let mut clicked = HashSet::new();
    for event in events.context("open the Open Bandit rows")? {
        let event = event.context("read the Open Bandit rows")?;
        if event.stream == "clicks" {
            let click: Click = serde_json::from_slice(&event.json).context("a click")?;
            clicked.insert(click.impression_id.to_owned());
            continue;
        }
        let row: Impression = serde_json::from_slice(&event.json).context("an impression")?;
        if row.campaign != campaign_name(campaign) {
            continue;
        }
        let logged = Logged {
            title: 0,
            action: row.item_id,
            rank: row.position.saturating_sub(1),
            propensity: row.propensity,
            reward: 0.0,
            target: None,
        };
        let uniform = row.policy == log_name(LogName::Random);
        let (log, ids) =
            if uniform { (&mut logs.0, &mut ids.0) } else { (&mut logs.1, &mut ids.1) };
        log.push(logged);
        ids.push(row.event_id.to_owned());
    }
    for (log, ids) in [(&mut logs.0, &ids.0), (&mut logs.1, &ids.1)] {
        for (row, id) in log.iter_mut().zip(ids) {
            row.reward = f64::from(u8::from(clicked.contains(id)));
        }
    }
    ensure!(!logs.0.is_empty() && !logs.1.is_empty(), "there are no rows of this campaign");
    Ok(logs)
}

/// Rows that a question answered, by the names of their columns.
pub(super) fn from_batches(batches: &[RecordBatch]) -> anyhow::Result<Vec<Logged>> {
    let mut log = Vec::new();
    for batch in batches {
        let actions = wanted(batch, "action", &DataType::Int64)?;
        let propensities = wanted(batch, "propensity", &DataType::Float64)?;
        let rewards = wanted(batch, "reward", &DataType::Float64)?;
        let titles = column(batch, "title", &DataType::Int64)?;
        let targets = column(batch, "target", &DataType::Float64)?;
        let titles = titles.as_ref().map(AsArray::as_primitive::<Int64Type>);
        let targets = targets.as_ref().map(AsArray::as_primitive::<Float64Type>);
        for row in 0..batch.num_rows() {
            log.push(Logged {
                title: titles.map_or(0, |titles| titles.value(row)),
                action: actions.as_primitive::<Int64Type>().value(row),
                rank: 0,
                propensity: propensities.as_primitive::<Float64Type>().value(row),
                reward: rewards.as_primitive::<Float64Type>().value(row),
                target: targets.map(|targets| targets.value(row)),
            });
        }
    }
    ensure!(!log.is_empty(), "the question of --sql answered no rows");
    Ok(log)
}

pub(super) fn wanted(
    batch: &RecordBatch,
    name: &str,
    kind: &DataType,
) -> anyhow::Result<arrow::array::ArrayRef> {
    let Some(found) = column(batch, name, kind)? else {
        let schema = batch.schema();
        let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        bail!(
            "the rows of --sql have no column `{name}` (they have {}): name it with AS",
            names.join(", ")
        );
    };
    Ok(found)
}

fn column(
    batch: &RecordBatch,
    name: &str,
    kind: &DataType,
) -> anyhow::Result<Option<arrow::array::ArrayRef>> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let column =
        cast(column, kind).with_context(|| format!("column `{name}` of --sql is no number"))?;
    let nulls = column.null_count();
    ensure!(
        nulls == 0,
        "column `{name}` of --sql is null, or no number, in {nulls} rows: leave these rows out"
    );
    Ok(Some(column))
}
