//! Commands about everything that is declared, about access and about the platform as a whole.

mod access;
mod apply;
mod completions;
mod delete;
mod describe;
mod diff;
mod get;
mod history;
mod top;

pub(crate) use diff::unified;
pub(crate) use get::all;

use clap::Subcommand;

use crate::context::Context;
use crate::error::ClientError;
use crate::exit::{EXIT_CODES, ExitKind};
use crate::table::harmless;

/// Commands of the control plane; the binary flattens them into its own.
#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    /// Declare streams, routes, jobs and connections: all of the manifests or none.
    #[command(after_help = EXIT_CODES)]
    Apply(apply::ApplyArgs),
    /// Show what `apply` would change; exit code 3 if there is anything.
    #[command(after_help = EXIT_CODES)]
    Diff(diff::DiffArgs),
    /// List what is declared, or show one thing.
    #[command(after_help = EXIT_CODES)]
    Get(get::GetArgs),
    /// Show all about one thing on a page: goal, status, versions, runs, savepoints, events.
    #[command(after_help = EXIT_CODES)]
    Describe(describe::DescribeArgs),
    /// Remove things, by name or as manifests list them.
    #[command(after_help = EXIT_CODES)]
    Delete(delete::DeleteArgs),
    /// Show what happened.
    #[command(after_help = EXIT_CODES)]
    Events(history::EventsArgs),
    /// Show the versions of a thing, or one of them.
    #[command(after_help = EXIT_CODES)]
    Versions(history::VersionsArgs),
    /// Give access, and take it away.
    #[command(after_help = EXIT_CODES)]
    Token(access::TokenArgs),
    /// Show who changed what, and who was refused.
    #[command(after_help = EXIT_CODES)]
    AuditLog(access::AuditLogArgs),
    /// Show who the token stands for and what it may do.
    #[command(after_help = EXIT_CODES)]
    Whoami(access::WhoamiArgs),
    /// Watch all jobs in numbers.
    #[command(after_help = EXIT_CODES)]
    Top(top::TopArgs),
    /// Print completions for a shell.
    Completions(completions::CompletionsArgs),
}

/// Runs a command and tells how it ended. `root` is the binary's whole command line, for
/// completions.
///
/// # Errors
/// None now: what goes wrong is told on stderr and is in the exit kind.
pub async fn run(command: ControlCommand, root: clap::Command) -> anyhow::Result<ExitKind> {
    Ok(run_in(command, root, &mut Context::of_process()).await)
}

/// As [`run`], in surroundings of the caller's choice.
pub async fn run_in(command: ControlCommand, root: clap::Command, ctx: &mut Context) -> ExitKind {
    let outcome = match command {
        ControlCommand::Apply(args) => apply::run(args, ctx).await,
        ControlCommand::Diff(args) => diff::run(args, ctx).await,
        ControlCommand::Get(args) => get::run(args, ctx).await,
        ControlCommand::Describe(args) => describe::run(args, ctx).await,
        ControlCommand::Delete(args) => delete::run(args, ctx).await,
        ControlCommand::Events(args) => history::events(args, ctx).await,
        ControlCommand::Versions(args) => history::versions(args, ctx).await,
        ControlCommand::Token(args) => access::token(args, ctx).await,
        ControlCommand::AuditLog(args) => access::audit_log(args, ctx).await,
        ControlCommand::Whoami(args) => access::whoami(args, ctx).await,
        ControlCommand::Top(args) => top::run(args, ctx).await,
        ControlCommand::Completions(args) => completions::run(&args, root, ctx),
    };
    told(outcome, ctx)
}

/// Tells what went wrong.
pub(crate) fn told(outcome: Result<ExitKind, ClientError>, ctx: &mut Context) -> ExitKind {
    outcome.unwrap_or_else(|error| {
        if let Some(text) = error.telling() {
            ctx.say(harmless(&text));
        }
        error.exit()
    })
}
