//! `job status` and `job metrics`.

use clap::Args;
use serde_json::Value;

use super::{TargetArgs, page};
use crate::args::{Form, WaitArgs};
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::Call;
use crate::output;
use crate::table::Table;
use crate::units::plain;
use crate::wait::until_it_rests;

/// Whose status.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Whose numbers.
#[derive(Debug, Clone, Args)]
pub struct MetricsArgs {
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn status(args: StatusArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let StatusArgs { wait, target } = &args;
    let api = target.connection.open(ctx)?;
    let waited = match wait.wait {
        Some(limit) => Some(until_it_rests(ctx, &api, target.job(), limit).await),
        None => None,
    };
    // Where it stands is shown however the waiting ended.
    let answer = api.send(ctx, Call::get(&target.path(&["status"]))).await?.body;
    match target.form.output {
        Form::Json => output::json(ctx, &answer)?,
        Form::Yaml => output::yaml(ctx, &answer)?,
        Form::Name => ctx.line(format_args!("job/{}", target.name))?,
        Form::Table => {
            ctx.put(format_args!("job/{}\n{}", target.name, page::status(&answer)))?;
        }
    }
    waited.unwrap_or(Ok(ExitKind::Done))
}

pub(super) async fn metrics(args: MetricsArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let target = &args.target;
    let api = target.connection.open(ctx)?;
    let answer = api.send(ctx, Call::get(&target.path(&["metrics"]))).await?.body;
    let names = [format!("job/{}", target.name)];
    output::answer(ctx, target.form.output, &answer, &names, || {
        let mut table = Table::new(&["METRIC", "VALUE"]);
        flatten("", &answer, &mut table);
        table
    })?;
    Ok(ExitKind::Done)
}

/// A row for each number, named by its way there.
fn flatten(path: &str, value: &Value, table: &mut Table) {
    let below = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(&below(name), value, table));
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                let name = item["name"].as_str().map_or_else(|| number.to_string(), str::to_owned);
                flatten(&below(&name), item, table);
            }
        }
        leaf => table.row(&[path.to_owned(), plain(leaf)]),
    }
}
