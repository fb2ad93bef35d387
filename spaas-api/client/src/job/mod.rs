//! `millrace job …`: what can be done with a job that the platform runs.

mod goal;
mod look;
mod manifest;
pub(crate) mod page;
mod savepoint;
mod stream;

use clap::{Args, Subcommand};

use crate::args::{FormArgs, NamespaceArgs};
use crate::command::told;
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::exit::{EXIT_CODES, ExitKind};
use crate::kind::{Kind, parse_name};

/// Verbs of jobs; the binary flattens them into its `job` command.
#[derive(Debug, Subcommand)]
pub enum JobVerb {
    /// Declare a job and run it, or bring it to what its manifest says now.
    #[command(after_help = EXIT_CODES)]
    Deploy(manifest::DeployArgs),
    /// Show what a manifest would change, and what would become of the job's state.
    #[command(after_help = EXIT_CODES)]
    Plan(manifest::PlanArgs),
    /// Stop a job; its state is kept.
    #[command(after_help = EXIT_CODES)]
    Stop(goal::StopArgs),
    /// Run a stopped job again, from where it was.
    #[command(after_help = EXIT_CODES)]
    Resume(goal::ResumeArgs),
    /// Bring a job to another version, its state kept.
    #[command(after_help = EXIT_CODES)]
    Upgrade(manifest::UpgradeArgs),
    /// Bring a job back to one of its versions.
    #[command(after_help = EXIT_CODES)]
    Rollback(goal::RollbackArgs),
    /// Run a job with another number of instances of each operator.
    #[command(after_help = EXIT_CODES)]
    Rescale(goal::RescaleArgs),
    /// Make a savepoint of a running job.
    #[command(after_help = EXIT_CODES)]
    Savepoint(savepoint::SavepointArgs),
    /// List the savepoints of a job, or remove one.
    #[command(after_help = EXIT_CODES)]
    Savepoints(savepoint::SavepointsArgs),
    /// Begin a new run of a job from its last checkpoint.
    #[command(after_help = EXIT_CODES)]
    Restart(goal::RestartArgs),
    /// Show where a job stands.
    #[command(after_help = EXIT_CODES)]
    Status(look::StatusArgs),
    /// Print the log of a job's worker.
    #[command(after_help = EXIT_CODES)]
    Logs(stream::LogsArgs),
    /// Show a job in numbers.
    #[command(after_help = EXIT_CODES)]
    Metrics(look::MetricsArgs),
    /// Watch the rows that a job writes, one JSON object a line.
    #[command(after_help = EXIT_CODES)]
    Tail(stream::TailArgs),
    /// Show what a job gives on the newest events of its streams, without deploying it.
    #[command(after_help = EXIT_CODES)]
    Sample(manifest::SampleArgs),
}

/// Which job, and how to reach it.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// The job.
    #[arg(value_parser = parse_name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgs,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl TargetArgs {
    /// Path of the job, or of something below it.
    pub(crate) fn path(&self, below: &[&str]) -> Vec<String> {
        path(&self.namespace.namespace, &self.name, below)
    }

    /// Namespace and name.
    pub(crate) fn job(&self) -> (&str, &str) {
        (&self.namespace.namespace, &self.name)
    }
}

/// Path of something below a job.
pub(crate) fn path(ns: &str, job: &str, below: &[&str]) -> Vec<String> {
    let mut path = Kind::Job.path(ns, job);
    path.extend(below.iter().map(ToString::to_string));
    path
}

/// Runs a verb and tells how it ended.
///
/// # Errors
/// None now: what goes wrong is told on stderr and is in the exit kind.
pub async fn run_job(verb: JobVerb) -> anyhow::Result<ExitKind> {
    Ok(run_job_in(verb, &mut Context::of_process()).await)
}

/// As [`run_job`], in surroundings of the caller's choice.
pub async fn run_job_in(verb: JobVerb, ctx: &mut Context) -> ExitKind {
    let outcome = match verb {
        JobVerb::Deploy(args) => manifest::deploy(args, ctx).await,
        JobVerb::Plan(args) => manifest::plan(args, ctx).await,
        JobVerb::Stop(args) => goal::stop(args, ctx).await,
        JobVerb::Resume(args) => goal::resume(args, ctx).await,
        JobVerb::Upgrade(args) => manifest::upgrade(args, ctx).await,
        JobVerb::Rollback(args) => goal::rollback(args, ctx).await,
        JobVerb::Rescale(args) => goal::rescale(args, ctx).await,
        JobVerb::Savepoint(args) => savepoint::make(args, ctx).await,
        JobVerb::Savepoints(args) => savepoint::list(args, ctx).await,
        JobVerb::Restart(args) => goal::restart(args, ctx).await,
        JobVerb::Status(args) => look::status(args, ctx).await,
        JobVerb::Logs(args) => stream::logs(args, ctx).await,
        JobVerb::Metrics(args) => look::metrics(args, ctx).await,
        JobVerb::Tail(args) => stream::tail(args, ctx).await,
        JobVerb::Sample(args) => manifest::sample(args, ctx).await,
    };
    told(outcome, ctx)
}
