//! Verbs that change what is wanted of a job: stop, resume, rollback, rescale, restart.

use clap::Args;
use serde_json::{Value, json};

use super::TargetArgs;
use crate::args::{ChangeArgs, Form, StateArgs};
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::output;
use crate::wait::until_it_rests;

/// How to stop.
#[derive(Debug, Clone, Args)]
pub struct StopArgs {
    /// Make a savepoint of its state first.
    #[arg(long)]
    savepoint: bool,
    /// Bring event time to its end first: open windows close and their results are written.
    #[arg(long)]
    drain: bool,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// What to resume.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Where to go back to.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The version.
    #[arg(long, value_name = "N")]
    to: i64,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// How wide to run.
#[derive(Debug, Clone, Args)]
pub struct RescaleArgs {
    /// Instances of each operator.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    parallelism: u32,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// What to restart.
#[derive(Debug, Clone, Args)]
pub struct RestartArgs {
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn stop(args: StopArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let body = json!({"savepoint": args.savepoint, "drain": args.drain});
    act("stop", &body, "stopping", (&args.target, &args.change), ctx).await
}

pub(super) async fn resume(args: ResumeArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    act("resume", &json!({}), "resuming", (&args.target, &args.change), ctx).await
}

pub(super) async fn rollback(
    args: RollbackArgs,
    ctx: &mut Context,
) -> Result<ExitKind, ClientError> {
    let mut body = json!({"generation": args.to});
    for (name, on) in args.state.query() {
        body[name] = json!(on == "true");
    }
    let word = format!("going back to version {}", args.to);
    act("rollback", &body, &word, (&args.target, &args.change), ctx).await
}

pub(super) async fn rescale(args: RescaleArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let body = json!({"parallelism": args.parallelism});
    let word = format!("rescaling to {}", args.parallelism);
    act("rescale", &body, &word, (&args.target, &args.change), ctx).await
}

pub(super) async fn restart(args: RestartArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    act("restart", &json!({}), "restarting", (&args.target, &args.change), ctx).await
}

/// Asks for something to be done with a job.
async fn act(
    verb: &str,
    body: &Value,
    word: &str,
    (target, change): (&TargetArgs, &ChangeArgs),
    ctx: &mut Context,
) -> Result<ExitKind, ClientError> {
    let api = target.connection.open(ctx)?;
    let call = Call::post(&target.path(&[verb]))
        .query(change.reason.query())
        .if_match(change.if_version)
        .json(body);
    let answer = api.send(ctx, call).await?.body;
    done(&answer, word, (target.job(), target.form.output), change, ctx, &api).await
}

/// Says what was begun, and waits for it if told to.
pub(super) async fn done(
    answer: &Value,
    word: &str,
    ((ns, job), form): ((&str, &str), Form),
    change: &ChangeArgs,
    ctx: &mut Context,
    api: &Api,
) -> Result<ExitKind, ClientError> {
    match form {
        Form::Json => output::json(ctx, answer)?,
        Form::Yaml => output::yaml(ctx, answer)?,
        Form::Name => ctx.line(format_args!("job/{job}"))?,
        Form::Table => ctx.line(format_args!("job/{job} {word}"))?,
    }
    if let Some(limit) = change.wait.wait {
        return until_it_rests(ctx, api, (ns, job), limit).await;
    }
    ctx.say(format_args!("next: millrace job status {job} -n {ns}"));
    Ok(ExitKind::Done)
}
