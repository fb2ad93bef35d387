//! Structured log lines.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use crate::cli::{Command, JobCommand, LogForm};

/// Colours are for terminals, and for people who want them (<https://no-color.org>).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Starts logging to stderr. `RUST_LOG` decides what is said; servers tell more than one-shot
/// commands.
pub(crate) fn start(form: LogForm, command: &Command) {
    let server = match command {
        Command::Up(_) | Command::Router(_) | Command::Serve(_) => true,
        Command::Job(job) => matches!(&job.command, JobCommand::Run(run) if !run.local),
        _ => false,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter(server));
    let lines = lines.with_writer(std::io::stderr);
    match form {
        LogForm::Text => lines.with_target(false).with_ansi(colours()).init(),
        LogForm::Json => lines.json().flatten_event(true).init(),
    }
}

/// Starts logging to `log`, as a server.
pub(crate) fn start_to(form: LogForm, log: impl Write + Send + 'static) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(true));
    let lines = lines.with_writer(Mutex::new(log)).with_ansi(false);
    match form {
        LogForm::Text => lines.with_target(false).init(),
        LogForm::Json => lines.json().flatten_event(true).init(),
    }
}

fn filter(server: bool) -> EnvFilter {
    let ours = if server { "info" } else { "error" };
    let default = format!(
        "error,millrace={ours},millrace_bus={ours},millrace_events={ours},millrace_router={ours},\
         millrace_sinks={ours},millrace_spaas={ours},millrace_plan={ours},\
         millrace_processors={ours},millrace_state={ours},millrace_control={ours},\
         millrace_http={ours},millrace_feeds={ours},millrace_recommendation={ours},\
         millrace_steering={ours}"
    );
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
