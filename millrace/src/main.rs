//! The one binary: reads the command line, runs the command, turns errors into an exit code.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the answer is "no" (manifests with mistakes, an
//! audit that does not add up); commands of the control plane's client have more.

mod audit;
mod cli;
mod compose;
mod control;
mod dead_letters;
mod demo;
mod emit;
mod fault;
mod generate;
mod job;
mod logging;
mod manifests;
mod ope;
mod plane;
mod platform;
mod send;
mod serve;
mod signals;
mod sql;
mod store;
mod up;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use millrace_client::ExitKind;

use cli::{Cli, Command};

/// What a command that ran to its end has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well.
    Good,
    /// The command worked and what it looked at is not in order.
    Bad,
    /// As a command of the control plane's client ended.
    Of(ExitKind),
}

impl From<ExitKind> for Verdict {
    fn from(kind: ExitKind) -> Self {
        Self::Of(kind)
    }
}

/// How long tasks that ignore their cancellation may hold up the end of the process.
const LAST_CALL: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Worker(args) = &cli.command {
        return worker::main(cli.log, args);
    }
    logging::start(cli.log, &cli.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: the runtime does not start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(cli.command));
    runtime.shutdown_timeout(LAST_CALL);
    match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(3),
        Ok(Verdict::Of(kind)) => kind.into(),
        Err(e) => {
            eprintln!("error: {e}");
            e.chain().skip(1).for_each(|cause| eprintln!("  because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Up(args) => up::up(args).await,
        Command::Router(args) => up::router(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Emit(args) => emit::run(args).await,
        Command::Generate(args) => generate::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Job(args) => job::run(args).await,
        Command::Ope(args) => ope::run(*args).await,
        Command::Validate(args) => Ok(manifests::validate(&args)),
        Command::Schema => manifests::print_schema(),
        Command::DeadLetters(args) => dead_letters::run(args.command).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Control(command) => {
            Ok(millrace_client::run(command, Cli::command()).await?.into())
        }
        Command::Worker(_) => unreachable!("it has a main of its own"),
    }
}
