//! `describe`: all about one thing on a page.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use super::get::newest;
use super::history::{events_path, events_table, versions_table};
use crate::args::{Form, FormArgs, NamespaceArgs};
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::job::page;
use crate::kind::{Kind, parse_name_or_table};
use crate::output;
use crate::table::{Table, harmless};
use crate::units::{moment, plain};

/// Events that a page shows.
const EVENTS_SHOWN: usize = 20;

/// What to describe.
#[derive(Debug, Clone, Args)]
pub struct DescribeArgs {
    /// namespace, connection, stream, route, job or table.
    kind: Kind,
    /// Its name.
    #[arg(value_parser = parse_name_or_table)]
    name: String,
    #[command(flatten)]
    namespace: NamespaceArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(super) async fn run(args: DescribeArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let ns = &args.namespace.namespace;
    let path = args.kind.path(ns, &args.name);
    let mut whole = json!({"resource": api.send(ctx, Call::get(&path)).await?.body});
    if args.kind == Kind::Job {
        whole["status"] = part(ctx, &api, &path, "status").await?;
        whole["runs"] = part(ctx, &api, &path, "runs").await?;
        whole["savepoints"] = part(ctx, &api, &path, "savepoints").await?;
    }
    if args.kind == Kind::Route {
        whole["status"] = part(ctx, &api, &path, "status").await?;
    }
    if args.kind != Kind::Table {
        whole["versions"] = part(ctx, &api, &path, "versions").await?;
        let of = (args.kind != Kind::Namespace).then_some((args.kind, args.name.as_str()));
        let home = if of.is_none() { &args.name } else { ns };
        whole["events"] = json!(newest(ctx, &api, &events_path(home, of), EVENTS_SHOWN).await?);
    }
    match args.form.output {
        Form::Json => output::json(ctx, &whole)?,
        Form::Yaml => output::yaml(ctx, &whole)?,
        Form::Name => ctx.line(format_args!("{}/{}", args.kind.word(), args.name))?,
        Form::Table => {
            let text = describe(&args, &whole)?;
            ctx.put(text)?;
        }
    }
    Ok(ExitKind::Done)
}

/// A list or object below the resource; one that a server does not have is left out.
async fn part(
    ctx: &mut Context,
    api: &Api,
    path: &[String],
    name: &str,
) -> Result<Value, ClientError> {
    let mut path = path.to_vec();
    path.push(name.to_owned());
    match api.send(ctx, Call::get(&path)).await {
        Ok(answer) if name == "status" => Ok(answer.body),
        Ok(answer) => Ok(json!(output::items(&answer.body))),
        Err(ClientError::Problem(p)) if p.exit() == ExitKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

fn describe(args: &DescribeArgs, whole: &Value) -> Result<String, ClientError> {
    let resource = &whole["resource"];
    let metadata = &resource["metadata"];
    let mut text = format!("{}/{}\n", args.kind.word(), args.name);
    let mut fact = |name: &str, value: String| {
        if value != "-" {
            let _ = writeln!(text, "  {name:<11}{}", crate::table::one_line(&value));
        }
    };
    fact("namespace", plain(&metadata["namespace"]));
    fact("version", plain(&metadata["generation"]));
    fact("declared", moment(&metadata["createdMs"]));
    fact("changed", moment(&metadata["updatedMs"]));
    fact("deleting", moment(&metadata["deletingMs"]));
    if args.kind == Kind::Route {
        fact("phase", plain(&whole["status"]["phase"]));
        fact("reason", plain(&whole["status"]["reason"]));
    }
    for (label, value) in metadata["labels"].as_object().into_iter().flatten() {
        fact("label", format!("{label}={}", plain(value)));
    }
    if args.kind == Kind::Job {
        text.push_str(&page::status(&whole["status"]));
    }
    let spec = if resource["spec"].is_null() { resource } else { &resource["spec"] };
    let _ = write!(text, "\nspec\n{}", indented(&output::yaml_text(spec)?));
    section(&mut text, "versions", &whole["versions"], versions_table);
    section(&mut text, "runs", &whole["runs"], page::runs);
    section(&mut text, "savepoints", &whole["savepoints"], page::savepoints);
    section(&mut text, "events", &whole["events"], events_table);
    Ok(text)
}

fn section(text: &mut String, title: &str, list: &Value, table: impl Fn(&[Value]) -> Table) {
    if let Some(items) = list.as_array().filter(|items| !items.is_empty()) {
        let _ = write!(text, "\n{title}\n{}", indented(&table(items).to_string()));
    }
}

fn indented(text: &str) -> String {
    harmless(text).lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "  {line}");
        all
    })
}
