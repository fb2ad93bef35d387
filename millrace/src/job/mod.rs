//! `millrace job`: a job on a developer's desk, from its text and some files to its results.
//!
//! ```text
//!  manifests, --input ─► inputs ─► Catalog ─┐
//!  job.sql ────────────────────────────────► plan ─► check (explain, validate)
//!                                             └────► run ─► results ─► show
//! ```

mod args;
mod check;
mod inputs;
mod mistakes;
mod results;
mod run;
mod show;

use crate::Verdict;
use crate::cli::{JobArgs, JobCommand};

pub(crate) use args::{FileArg, NamedArg};

/// `millrace job`.
pub(crate) async fn run(args: JobArgs) -> anyhow::Result<Verdict> {
    match args.command {
        JobCommand::Run(args) => run::run(args).await,
        JobCommand::Explain(args) => check::explain(&args),
        JobCommand::Validate(args) => check::validate(&args),
    }
}
