//! `job savepoint` and `job savepoints`.

use clap::Args;
use serde_json::{Value, json};

use super::{TargetArgs, page};
use crate::args::{ChangeArgs, Form};
use crate::command::all;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::output;
use crate::units::plain;

/// What to make a savepoint of.
#[derive(Debug, Clone, Args)]
pub struct SavepointArgs {
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Whose savepoints.
#[derive(Debug, Clone, Args)]
pub struct SavepointsArgs {
    /// Remove the savepoint of this id.
    #[arg(long, value_name = "ID")]
    delete: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn make(args: SavepointArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let SavepointArgs { change, target } = &args;
    let api = target.connection.open(ctx)?;
    let call = Call::post(&target.path(&["savepoint"]))
        .query(change.reason.query())
        .if_match(change.if_version)
        .json(&json!({}));
    let mut made = api.send(ctx, call).await?.body;
    let id = plain(&made["id"]);
    if let Some(limit) = change.wait.wait {
        let waiting = tokio::time::timeout(limit, complete(&id, target, ctx, &api)).await;
        made = waiting.unwrap_or_else(|_| {
            let late = format!("savepoint {id} is not complete after {}s", limit.as_secs_f64());
            Err(ClientError::TimedOut(late))
        })?;
    }
    match target.form.output {
        Form::Json => output::json(ctx, &made)?,
        Form::Yaml => output::yaml(ctx, &made)?,
        Form::Name => ctx.line(format_args!("savepoint/{id}"))?,
        Form::Table => {
            ctx.line(format_args!("savepoint/{id} {}", plain(&made["state"]["kind"])))?;
        }
    }
    if made["state"]["kind"].as_str() == Some("failed") {
        let why = plain(&made["state"]["reason"]);
        return Err(ClientError::Failed(format!("the savepoint was not made: {why}")));
    }
    let (ns, job) = target.job();
    ctx.say(format_args!("next: millrace job savepoints {job} -n {ns}"));
    Ok(ExitKind::Done)
}

/// Looks until the savepoint is there or will not be.
async fn complete(
    id: &str,
    target: &TargetArgs,
    ctx: &mut Context,
    api: &Api,
) -> Result<Value, ClientError> {
    let path = target.path(&["savepoints", id]);
    loop {
        let savepoint = api.send(ctx, Call::get(&path)).await?.body;
        if savepoint["state"]["kind"].as_str() != Some("requested") {
            return Ok(savepoint);
        }
        tokio::time::sleep(ctx.poll).await;
    }
}

pub(super) async fn list(args: SavepointsArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let SavepointsArgs { delete, target } = &args;
    let api = target.connection.open(ctx)?;
    if let Some(id) = delete {
        let clean = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if id.is_empty() || !id.chars().all(clean) {
            return Err(ClientError::Usage(format!("`{id}` is no id of a savepoint")));
        }
        api.send(ctx, Call::delete(&target.path(&["savepoints", id]))).await?;
        ctx.line(format_args!("savepoint/{id} deleted"))?;
        return Ok(ExitKind::Done);
    }
    let found = all(ctx, &api, &target.path(&["savepoints"]), &[]).await?;
    let names: Vec<String> =
        found.iter().map(|s| format!("savepoint/{}", plain(&s["id"]))).collect();
    let whole = json!({"items": found});
    output::answer(ctx, target.form.output, &whole, &names, || page::savepoints(&found))?;
    Ok(ExitKind::Done)
}
