//! The command line of off-policy evaluation.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{Output, StoreArgs};

/// Which of the data set's campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Campaign {
    /// All items.
    All,
    /// Items for men.
    Men,
}

/// Which of the data set's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogName {
    /// Of the uniform policy.
    Random,
    /// Of Bernoulli Thompson sampling.
    Bts,
}

/// The policy to be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyArg {
    /// Every candidate alike.
    Uniform,
    /// Bernoulli Thompson sampling.
    Thompson,
    /// Always the same action.
    Fixed(i64),
    /// What the column `target` of `--sql` says.
    Column,
}

impl FromStr for PolicyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fixed = || text.strip_prefix("fixed:")?.parse().ok().map(Self::Fixed);
        match text {
            "uniform" => Ok(Self::Uniform),
            "thompson" => Ok(Self::Thompson),
            "column" => Ok(Self::Column),
            _ => fixed().ok_or_else(|| {
                "it is `uniform`, `thompson`, `fixed:ID` or `column` (with --sql)".to_owned()
            }),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("it is between 0 and 1".to_owned()) }
}

fn level(text: &str) -> Result<f64, String> {
    share(text).and_then(|level| {
        if level > 0.0 && level < 1.0 { Ok(level) } else { Err("it is neither 0 nor 1".to_owned()) }
    })
}

fn greatest_weight(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is a number".to_owned())?;
    if value > 0.0 { Ok(value) } else { Err("it is above 0".to_owned()) }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct OpeArgs {
    /// Policy to evaluate: `uniform`, `thompson`, `fixed:ID`, or `column` (the column `target` of
    /// --sql is its probability of the logged action).
    #[arg(long, default_value = "thompson", value_name = "POLICY")]
    pub(crate) policy: PolicyArg,
    /// Parameters of `thompson`: a file of JSON lines with `artwork_id`, `alpha`, `beta` and, if
    /// there are several titles, `title_id`, such as the rows of the feed `artwork_policy`.
    /// Default, for the bundled data: the prior that the real policy began with.
    #[arg(long, value_name = "FILE", conflicts_with = "learnt")]
    pub(crate) parameters: Option<PathBuf>,
    /// Learn the parameters of `thompson` from the other policy's log of the same campaign.
    #[arg(long, conflicts_with = "sql")]
    pub(crate) learnt: bool,
    /// Share of uniform exploration mixed into the policy.
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = share)]
    pub(crate) epsilon: f64,
    /// Campaign of the bundled Open Bandit rows.
    #[arg(long, value_enum, default_value = "all", conflicts_with = "sql")]
    pub(crate) campaign: Campaign,
    /// Log of the bundled rows to evaluate over.
    #[arg(long, value_enum, default_value = "random", conflicts_with = "sql")]
    pub(crate) from: LogName,
    /// Folder with the data set in the layout of the bundled rows, such as its full 26 million.
    #[arg(long, value_name = "DIR", conflicts_with = "sql")]
    pub(crate) open_bandit: Option<PathBuf>,
    /// Evaluate over the rows of this question to the tables: columns `action`, `propensity`,
    /// `reward`, and if wanted `title` (whose actions are the candidates) and `target`.
    #[arg(long, value_name = "SQL")]
    pub(crate) sql: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Greatest importance weight; greater ones are clipped.
    #[arg(long, value_name = "WEIGHT", value_parser = greatest_weight)]
    pub(crate) clip: Option<f64>,
    /// Level of the intervals.
    #[arg(long, default_value = "0.95", value_parser = level)]
    pub(crate) level: f64,
    /// Samples of the bootstrap, at most a million; 0 for none.
    #[arg(long, default_value_t = 1000, value_name = "N",
        value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) resamples: u32,
    /// Seed of bootstrap and replay.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}
