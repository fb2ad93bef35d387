//! `events` and `versions`: what happened, and what was declared when.

use clap::Args;
use serde_json::{Value, json};

use super::get::{all, all_after, all_namespaces, newest};
use crate::args::{Form, FormArgs, NamespaceArgs, ScopeArgs};
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::kind::{Kind, parse_name};
use crate::output;
use crate::table::Table;
use crate::units::{moment, plain};

/// Which events.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Only of things of this kind …
    #[arg(requires = "name", conflicts_with = "all_namespaces")]
    kind: Option<Kind>,
    /// … and this name.
    #[arg(value_parser = parse_name)]
    name: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// All those after the event of this number, instead of the newest.
    #[arg(long, value_name = "N")]
    after: Option<i64>,
    /// The newest so many.
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "after")]
    last: usize,
    /// Go on: show each new event when it comes.
    #[arg(long, conflicts_with = "all_namespaces")]
    follow: bool,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Which versions.
#[derive(Debug, Clone, Args)]
pub struct VersionsArgs {
    /// namespace, connection, stream, route or job.
    kind: Kind,
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: String,
    /// Show what was declared with this version.
    number: Option<i64>,
    #[command(flatten)]
    namespace: NamespaceArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(super) async fn events(args: EventsArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let scope = &args.scope;
    let namespaces = if scope.all_namespaces {
        all_namespaces(ctx, &api).await?
    } else {
        vec![scope.namespace.clone()]
    };
    let mut found = Vec::new();
    for ns in &namespaces {
        let path = events_path(ns, args.kind.zip(args.name.as_deref()));
        found.extend(match args.after {
            Some(seq) => after(ctx, &api, &path, Some(seq)).await?,
            None => newest(ctx, &api, &path, args.last).await?,
        });
    }
    found.sort_by_key(|event| event["seq"].as_i64());
    if args.after.is_none() {
        found.drain(..found.len().saturating_sub(args.last));
    }
    let names: Vec<String> = found.iter().map(about).collect();
    let whole = json!({"items": found});
    output::answer(ctx, args.form.output, &whole, &names, || events_table(&found))?;
    if !args.follow {
        return Ok(ExitKind::Done);
    }
    let path = events_path(&scope.namespace, args.kind.zip(args.name.as_deref()));
    let mut last = found.last().and_then(|event| event["seq"].as_i64()).or(args.after);
    loop {
        tokio::time::sleep(ctx.poll).await;
        for event in after(ctx, &api, &path, last).await? {
            last = event["seq"].as_i64().or(last);
            match args.form.output {
                Form::Json => ctx.line(&event)?,
                Form::Yaml => ctx.put(format_args!("---\n{}", output::yaml_text(&event)?))?,
                Form::Name => ctx.line(about(&event))?,
                Form::Table => ctx.line(event_line(&event))?,
            }
        }
    }
}

/// Path of the events of a namespace or of one thing in it.
pub(crate) fn events_path(ns: &str, of: Option<(Kind, &str)>) -> Vec<String> {
    let mut path = match of {
        Some((kind, name)) => kind.path(ns, name),
        None => Kind::Namespace.path("", ns),
    };
    path.push("events".to_owned());
    path
}

async fn after(
    ctx: &mut Context,
    api: &Api,
    path: &[String],
    seq: Option<i64>,
) -> Result<Vec<Value>, ClientError> {
    all_after(ctx, api, path, &[], seq.map(|seq| seq.to_string())).await
}

fn about(event: &Value) -> String {
    format!("{}/{}", plain(&event["kind"]).to_lowercase(), plain(&event["name"]))
}

fn event_line(event: &Value) -> String {
    let words = [moment(&event["atMs"]), about(event), plain(&event["what"])];
    crate::table::one_line(&format!("{}  {}", words.join("  "), plain(&event["message"])))
}

/// Events for people.
pub(crate) fn events_table(events: &[Value]) -> Table {
    let mut table = Table::new(&["TIME", "LEVEL", "ABOUT", "EVENT", "BY", "MESSAGE"]);
    for event in events {
        table.row(&[
            moment(&event["atMs"]),
            plain(&event["level"]),
            about(event),
            plain(&event["what"]),
            plain(&event["author"]),
            plain(&event["message"]),
        ]);
    }
    table
}

pub(super) async fn versions(
    args: VersionsArgs,
    ctx: &mut Context,
) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let mut path = args.kind.path(&args.namespace.namespace, &args.name);
    path.push("versions".to_owned());
    if let Some(number) = args.number {
        path.push(number.to_string());
        let version = api.send(ctx, Call::get(&path)).await?.body;
        match args.form.output {
            Form::Json => output::json(ctx, &version)?,
            _ => output::yaml(ctx, &version)?,
        }
        return Ok(ExitKind::Done);
    }
    let found = all(ctx, &api, &path, &[]).await?;
    let name = |version: &Value| {
        format!("{}/{}@{}", args.kind.word(), args.name, plain(&version["generation"]))
    };
    let names: Vec<String> = found.iter().map(name).collect();
    let whole = json!({"items": found});
    output::answer(ctx, args.form.output, &whole, &names, || versions_table(&found))?;
    if args.kind == Kind::Job && found.len() > 1 {
        let ns = &args.namespace.namespace;
        ctx.say(format_args!("back to one: millrace job rollback {} --to N -n {ns}", args.name));
    }
    Ok(ExitKind::Done)
}

/// Versions for people.
pub(crate) fn versions_table(versions: &[Value]) -> Table {
    let mut table = Table::new(&["VERSION", "TIME", "BY", "REASON"]);
    for version in versions {
        table.row(&[
            plain(&version["generation"]),
            moment(&version["atMs"]),
            plain(&version["author"]),
            plain(&version["reason"]),
        ]);
    }
    table
}
