//! `get`: lists of what is declared, or one thing.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use millrace_spec::qualified;

use crate::args::{Form, FormArgs, ScopeArgs};
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::kind::{Kind, parse_name_or_table};
use crate::output;
use crate::table::Table;
use crate::units::{bytes, count, moment, plain};

/// Most items that the API gives at once.
const PAGE: u32 = 500;

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// namespaces, connections, streams, routes, jobs or tables.
    kind: Kind,
    /// One of them.
    #[arg(value_parser = parse_name_or_table)]
    name: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only with this label (`key` for any value); may be repeated.
    #[arg(short = 'l', long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(super) async fn run(args: GetArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let GetArgs { kind, scope, form, .. } = &args;
    let api = args.connection.open(ctx)?;
    if let Some(name) = &args.name {
        let call = Call::get(&kind.path(&scope.namespace, name));
        let body = api.send(ctx, call).await?.body;
        let phases = phases(*kind, form.output, ctx, &api).await;
        let names = [format!("{}/{name}", kind.word())];
        let table =
            || columns(*kind, false, &scope.namespace, std::slice::from_ref(&body), &phases);
        output::answer(ctx, form.output, &body, &names, table)?;
        return Ok(ExitKind::Done);
    }
    let namespaces = if scope.all_namespaces && *kind != Kind::Namespace {
        all_namespaces(ctx, &api).await?
    } else {
        vec![scope.namespace.clone()]
    };
    // The API chooses by one label; the others are looked for in what it gives.
    let query: Vec<_> = args.labels.iter().take(1).map(|l| ("label", l.clone())).collect();
    let mut items = Vec::new();
    for ns in namespaces {
        let found = all(ctx, &api, &kind.list_path(&ns), &query).await?;
        let found = found.into_iter().filter(|item| args.labels.iter().all(|l| has(item, l)));
        items.extend(found.map(|item| with_namespace(item, &ns)));
    }
    let phases = phases(*kind, form.output, ctx, &api).await;
    let names: Vec<String> =
        items.iter().map(|item| format!("{}/{}", kind.word(), name_of(item))).collect();
    let whole = json!({"items": items});
    let table = || columns(*kind, scope.all_namespaces, &scope.namespace, &items, &phases);
    output::answer(ctx, form.output, &whole, &names, table)?;
    Ok(ExitKind::Done)
}

/// Whether a resource has a label: `key=value`, or `key` for any value.
fn has(item: &Value, label: &str) -> bool {
    let labels = &item["metadata"]["labels"];
    match label.split_once('=') {
        Some((key, value)) => labels[key].as_str() == Some(value),
        None => !labels[label].is_null(),
    }
}

/// Everything that a list has, page by page.
pub(crate) async fn all(
    ctx: &mut Context,
    api: &Api,
    path: &[String],
    query: &[(&'static str, String)],
) -> Result<Vec<Value>, ClientError> {
    all_after(ctx, api, path, query, None).await
}

/// As [`all`], from behind the place that a page before ended at.
pub(crate) async fn all_after(
    ctx: &mut Context,
    api: &Api,
    path: &[String],
    query: &[(&'static str, String)],
    mut after: Option<String>,
) -> Result<Vec<Value>, ClientError> {
    let mut found = Vec::new();
    loop {
        let call = Call::get(path)
            .query(query.iter().cloned())
            .query(after.clone().map(|after| ("after", after)));
        let body = api.send(ctx, call).await?.body;
        found.extend(output::items(&body));
        let next = match &body["next"] {
            Value::Null => return Ok(found),
            next => plain(next),
        };
        // A server that leads in circles is not followed.
        if after.as_ref() == Some(&next) {
            return Ok(found);
        }
        after = Some(next);
    }
}

/// The newest `most` entries of a list that has its oldest first.
pub(crate) async fn newest(
    ctx: &mut Context,
    api: &Api,
    path: &[String],
    most: usize,
) -> Result<Vec<Value>, ClientError> {
    let mut found = all(ctx, api, path, &[("limit", PAGE.to_string())]).await?;
    found.drain(..found.len().saturating_sub(most));
    Ok(found)
}

/// Names of the namespaces that may be seen.
pub(crate) async fn all_namespaces(
    ctx: &mut Context,
    api: &Api,
) -> Result<Vec<String>, ClientError> {
    let found = all(ctx, api, &Kind::Namespace.list_path(""), &[]).await?;
    Ok(found.iter().map(name_of).collect())
}

/// Name of a resource or table.
pub(crate) fn name_of(item: &Value) -> String {
    let name = item["metadata"]["name"].as_str().or(item["name"].as_str()).or(item.as_str());
    name.unwrap_or("-").to_owned()
}

/// Tables do not say which namespace they were listed in.
fn with_namespace(mut item: Value, ns: &str) -> Value {
    if item["metadata"].is_null() && item.is_object() {
        item["namespace"] = json!(ns);
    }
    item
}

/// Phase of a job, and the version that runs.
type Phase = (String, String);

/// Phases of jobs by namespace and name, for the table; not known is no reason to fail.
async fn phases(
    kind: Kind,
    form: Form,
    ctx: &mut Context,
    api: &Api,
) -> BTreeMap<(String, String), Phase> {
    if kind != Kind::Job || form != Form::Table {
        return BTreeMap::new();
    }
    let path = ["v1", "overview"].map(ToOwned::to_owned);
    let Ok(answer) = api.send(ctx, Call::get(&path)).await else { return BTreeMap::new() };
    let entry = |job: &Value| {
        let of = (plain(&job["namespace"]), plain(&job["job"]));
        (of, (plain(&job["phase"]), plain(&job["version"])))
    };
    output::items(&answer.body).iter().map(entry).collect()
}

type Cell<'a> = Box<dyn Fn(&Value) -> String + 'a>;

fn columns(
    kind: Kind,
    all_namespaces: bool,
    ns: &str,
    items: &[Value],
    phases: &BTreeMap<(String, String), Phase>,
) -> Table {
    let namespace = |item: &Value| {
        let own = item["metadata"]["namespace"].as_str().or(item["namespace"].as_str());
        own.unwrap_or(ns).to_owned()
    };
    let mut columns: Vec<(&'static str, Cell<'_>)> = Vec::new();
    if all_namespaces && kind != Kind::Namespace {
        columns.push(("NAMESPACE", Box::new(namespace)));
    }
    columns.push(("NAME", Box::new(name_of)));
    match kind {
        Kind::Namespace => {}
        Kind::Connection => columns.push(("TYPE", Box::new(connection_type))),
        Kind::Stream => {
            let topic = |item: &Value| match item["spec"]["topic"].as_str() {
                Some(topic) => topic.to_owned(),
                None => qualified(&namespace(item), &name_of(item)),
            };
            columns.push(("TOPIC", Box::new(topic)));
            let columns_of =
                |item: &Value| item["spec"]["columns"].as_array().map_or(0, Vec::len).to_string();
            columns.push(("COLUMNS", Box::new(columns_of)));
        }
        Kind::Route => {
            columns.push(("FROM", Box::new(|item| plain(&item["spec"]["from"]))));
            columns.push(("TO", Box::new(route_target)));
        }
        Kind::Job => {
            let of = move |item: &Value| phases.get(&(namespace(item), name_of(item)));
            let known = |part: Option<&String>| part.map_or_else(|| "-".to_owned(), Clone::clone);
            columns.push(("PHASE", Box::new(move |item| known(of(item).map(|(phase, _)| phase)))));
            columns.push(("RUNS", Box::new(move |item| known(of(item).map(|(_, runs)| runs)))));
        }
        Kind::Table => {
            columns.push(("ROWS", Box::new(|item| count(&item["table"]["rows"]))));
            columns.push(("BYTES", Box::new(|item| bytes(&item["table"]["bytes"]))));
            columns.push(("VERSION", Box::new(|item| plain(&item["table"]["version"]))));
            columns.push(("WRITTEN BY", Box::new(writers)));
        }
    }
    if kind != Kind::Table {
        columns.push(("VERSION", Box::new(|item| plain(&item["metadata"]["generation"]))));
        columns.push(("CHANGED", Box::new(|item| moment(&item["metadata"]["updatedMs"]))));
    }
    let header: Vec<&'static str> = columns.iter().map(|(header, _)| *header).collect();
    let mut table = Table::new(&header);
    for item in items {
        table.row(&columns.iter().map(|(_, cell)| cell(item)).collect::<Vec<_>>());
    }
    table
}

fn connection_type(item: &Value) -> String {
    let kinds = ["kafka", "http"].into_iter().find(|kind| !item["spec"][kind].is_null());
    kinds.unwrap_or("-").to_owned()
}

fn writers(item: &Value) -> String {
    let writers = item["writers"].as_array().map_or(&[][..], Vec::as_slice);
    writers.iter().map(plain).collect::<Vec<_>>().join(", ")
}

fn route_target(item: &Value) -> String {
    let to = &item["spec"]["to"];
    let targets =
        [("table", &to["table"]), ("kafka", &to["kafka"]["topic"]), ("http", &to["http"]["url"])];
    let found = targets.into_iter().find(|(_, value)| !value.is_null());
    found.map_or_else(|| "-".to_owned(), |(kind, value)| format!("{kind} {}", plain(value)))
}
