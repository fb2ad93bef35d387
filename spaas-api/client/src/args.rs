//! Options that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::kind::parse_name;
use crate::units::parse_time;

/// Form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Columns for people.
    Table,
    /// The API's answer as JSON.
    Json,
    /// The API's answer as YAML.
    Yaml,
    /// `kind/name`, one a line.
    Name,
}

/// Form of a result.
#[derive(Debug, Clone, Args)]
pub(crate) struct FormArgs {
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Form,
}

/// Which namespace.
#[derive(Debug, Clone, Args)]
pub(crate) struct NamespaceArgs {
    /// The namespace.
    #[arg(short, long, default_value = "default", value_name = "NS", value_parser = parse_name)]
    pub(crate) namespace: String,
}

/// One namespace or all.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeArgs {
    /// The namespace.
    #[arg(short, long, default_value = "default", value_name = "NS", value_parser = parse_name)]
    pub(crate) namespace: String,
    /// All namespaces that the token may see.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}

/// Manifests, and the namespace they belong to.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManifestArgs {
    /// Manifests: a file, a folder of *.yaml, *.yml and *.json, or `-` for stdin; may be repeated.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR|-")]
    pub(crate) files: Vec<PathBuf>,
    /// The namespace; by default what the documents say, else `default`.
    #[arg(short, long, value_name = "NS", value_parser = parse_name)]
    pub(crate) namespace: Option<String>,
}

/// What may happen to a job's state.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateArgs {
    /// Let go of state that has no place in the new version.
    #[arg(long)]
    pub(crate) allow_dropped_state: bool,
    /// Forget all state, but not the place in the streams.
    #[arg(long)]
    pub(crate) fresh_state: bool,
}

/// Waiting for what was asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait until the job runs, is stopped or has finished; at most this long.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s",
        value_parser = parse_time
    )]
    pub(crate) wait: Option<Duration>,
}

/// Why.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReasonArgs {
    /// Why, for the history and the audit log.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// A change of something that is there.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) reason: ReasonArgs,
    /// Only if it has not changed since: the number of its goal, or, where a manifest is sent, its
    /// `resourceVersion`.
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<i64>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

impl StateArgs {
    /// As parameters of a request.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let all =
            [("allow_dropped_state", self.allow_dropped_state), ("fresh_state", self.fresh_state)];
        all.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name, "true".to_owned())).collect()
    }
}

impl ReasonArgs {
    /// As parameters of a request.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        self.reason.iter().map(|reason| ("reason", reason.clone())).collect()
    }
}
