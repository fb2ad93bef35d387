//! `millrace job`: from a job's text to its results, over files on a developer's desk or over
//! streams.
//!
//! ```text
//!  manifests, --input ─► inputs ─► Catalog ─┐
//!  job.sql ────────────────────────────────► plan ─► check (explain, validate)
//!                                             ├────► run ─► results ─► show
//!                                             └────► streaming, until it ends or is told to
//! ```

mod args;
mod check;
mod inputs;
mod late;
mod mistakes;
mod restart;
mod results;
mod run;
mod show;
mod streaming;

use crate::Verdict;
use crate::cli::{JobArgs, JobCommand};

pub(crate) use args::{FileArg, NamedArg};
pub(crate) use restart::until_it_ends;
pub(crate) use results::SinkRows;
pub(crate) use show::rows_json;

/// `millrace job`.
pub(crate) async fn run(args: JobArgs) -> anyhow::Result<Verdict> {
    match args.command {
        JobCommand::Run(args) if args.local => run::run(*args).await,
        JobCommand::Run(args) => streaming::run(*args).await,
        JobCommand::Explain(args) => check::explain(&args),
        JobCommand::Validate(args) => check::validate(&args),
        JobCommand::Deployed(verb) => Ok(millrace_client::run_job(verb).await?.into()),
    }
}
