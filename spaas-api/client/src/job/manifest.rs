//! Verbs that take a manifest: deploy, upgrade, plan, sample.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{goal, path};
use crate::args::{ChangeArgs, Form, FormArgs, ManifestArgs, StateArgs};
use crate::command::unified;
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::Call;
use crate::kind::{Kind, parse_name};
use crate::manifest::{Document, Request, Sources, explain};
use crate::output;
use crate::problem::verdict_words;
use crate::table::Table;
use crate::units::plain;

/// What to deploy.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    /// The job, if the manifests declare several; without manifests, one that is declared.
    #[arg(value_parser = parse_name, required_unless_present = "files")]
    name: Option<String>,
    /// Manifests: a file, a folder of *.yaml, *.yml and *.json, a .sql file, or `-` for stdin.
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// The namespace; by default what the document says, else `default`.
    #[arg(short, long, value_name = "NS", value_parser = parse_name)]
    namespace: Option<String>,
    /// Of a new job: declare it without running it.
    #[arg(long, requires = "files")]
    stopped: bool,
    /// Of a new job: the savepoint it begins from.
    #[arg(long, value_name = "ID", requires = "files")]
    from_savepoint: Option<String>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What to plan.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The job, if the manifests declare several.
    #[arg(value_parser = parse_name)]
    name: Option<String>,
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What to upgrade, and to what.
#[derive(Debug, Clone, Args)]
pub struct UpgradeArgs {
    /// The job, if the manifests declare several.
    #[arg(value_parser = parse_name)]
    name: Option<String>,
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What to try.
#[derive(Debug, Clone, Args)]
pub struct SampleArgs {
    /// The job, if the manifests declare several.
    #[arg(value_parser = parse_name)]
    name: Option<String>,
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Read so many of the newest events of each stream.
    #[arg(long, value_name = "N")]
    events: Option<u32>,
    /// Show at most so many rows of each sink.
    #[arg(long, value_name = "N")]
    rows: Option<u32>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The one job that manifests declare, or the one of that name.
struct Chosen {
    sources: Sources,
    ns: String,
    name: String,
}

impl Chosen {
    fn read(
        ctx: &mut Context,
        files: &[PathBuf],
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<Self, ClientError> {
        let sources = Sources::read(ctx, files)?;
        let fits = |d: &&Document| d.kind == "Job" && name.is_none_or(|name| d.name == name);
        let jobs: Vec<&Document> =
            sources.documents().map(|(_, document)| document).filter(fits).collect();
        let job = match (jobs.as_slice(), name) {
            ([job], _) => job,
            ([], Some(name)) => {
                return Err(ClientError::Usage(format!("the manifests declare no job `{name}`")));
            }
            ([], None) => {
                let why = "the manifests declare no job; for others: millrace apply -f …";
                return Err(ClientError::Usage(why.to_owned()));
            }
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|d| d.name.as_str()).collect();
                let why = format!("say which job: {}", names.join(", "));
                return Err(ClientError::Usage(why));
            }
        };
        let name = parse_name(&job.name)
            .map_err(|why| ClientError::Usage(format!("job `{}`: {why}", job.name)))?;
        let ns = namespace.or(job.namespace.as_deref()).unwrap_or("default").to_owned();
        parse_name(&ns).map_err(|why| ClientError::Usage(format!("namespace `{ns}`: {why}")))?;
        Ok(Self { sources, ns, name })
    }

    fn request(&self) -> Request<'_> {
        Request::of(&self.sources, |d| d.kind == "Job" && d.name == self.name)
    }
}

pub(super) async fn deploy(args: DeployArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let given = args.namespace.as_deref();
    if let (Some(name), true) = (&args.name, args.files.is_empty()) {
        let api = args.connection.open(ctx)?;
        let ns = given.unwrap_or("default");
        let call = Call::post(&path(ns, name, &["deploy"]))
            .query(args.change.reason.query())
            .if_match(args.change.if_version)
            .json(&json!({}));
        let answer = api.send(ctx, call).await?.body;
        let target = ((ns, name.as_str()), args.form.output);
        return goal::done(&answer, "deployed", target, &args.change, ctx, &api).await;
    }
    let job = Chosen::read(ctx, &args.files, given, args.name.as_deref())?;
    let api = args.connection.open(ctx)?;
    let request = job.request();
    let call = Call::put(&Kind::Job.path(&job.ns, &job.name))
        .query(args.change.reason.query())
        .query(args.state.query())
        .query(args.from_savepoint.map(|id| ("from_savepoint", id)))
        .query(args.stopped.then(|| ("stopped", "true".to_owned())))
        .if_match(args.change.if_version)
        .yaml(request.text.clone());
    let answer = api.send(ctx, call).await.map_err(|error| explain(error, &request))?;
    let outcome = answer.outcome().unwrap_or("deployed").to_owned();
    let target = ((job.ns.as_str(), job.name.as_str()), args.form.output);
    goal::done(&answer.body, &outcome, target, &args.change, ctx, &api).await
}

pub(super) async fn upgrade(args: UpgradeArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let given = args.manifests.namespace.as_deref();
    let job = Chosen::read(ctx, &args.manifests.files, given, args.name.as_deref())?;
    let api = args.connection.open(ctx)?;
    let request = job.request();
    let call = Call::post(&path(&job.ns, &job.name, &["upgrade"]))
        .query(args.change.reason.query())
        .query(args.state.query())
        .if_match(args.change.if_version)
        .yaml(request.text.clone());
    let answer = api.send(ctx, call).await.map_err(|error| explain(error, &request))?;
    let target = ((job.ns.as_str(), job.name.as_str()), args.form.output);
    goal::done(&answer.body, "upgrading", target, &args.change, ctx, &api).await
}

pub(super) async fn plan(args: PlanArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let given = args.manifests.namespace.as_deref();
    let job = Chosen::read(ctx, &args.manifests.files, given, args.name.as_deref())?;
    let api = args.connection.open(ctx)?;
    let request = job.request();
    let call = Call::ask(&path(&job.ns, &job.name, &["plan"])).yaml(request.text.clone());
    let answer = api.send(ctx, call).await.map_err(|error| explain(error, &request))?.body;
    let verdict = &answer["verdict"];
    let (ns, name) = (&job.ns, &job.name);
    let lost = matches!(verdict["kind"].as_str(), Some("partly" | "incompatible"));
    let refused = lost || answer["needs"].is_string();
    match args.form.output {
        Form::Json => output::json(ctx, &answer)?,
        Form::Yaml => output::yaml(ctx, &answer)?,
        Form::Name => ctx.line(format_args!("job/{name}"))?,
        Form::Table => {
            let diff = answer["diff"].as_str().unwrap_or_default();
            let colour = ctx.colour();
            if diff.is_empty() {
                ctx.line(format_args!("job/{name} unchanged"))?;
            } else {
                ctx.put(unified(diff, colour))?;
            }
            ctx.line(crate::table::harmless(&verdict_words(verdict)))?;
            if refused {
                ctx.say("an upgrade needs --allow-dropped-state or --fresh-state");
            } else if !diff.is_empty() {
                ctx.say(format_args!("next: millrace job deploy {name} -f … -n {ns}"));
            }
        }
    }
    Ok(if refused { ExitKind::No } else { ExitKind::Done })
}

pub(super) async fn sample(args: SampleArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let given = args.manifests.namespace.as_deref();
    let job = Chosen::read(ctx, &args.manifests.files, given, args.name.as_deref())?;
    let api = args.connection.open(ctx)?;
    let request = job.request();
    let call = Call::ask(&path(&job.ns, "-", &["sample"]))
        .query(args.events.map(|events| ("events", events.to_string())))
        .query(args.rows.map(|rows| ("rows", rows.to_string())))
        .yaml(request.text.clone());
    let answer = api.send(ctx, call).await.map_err(|error| explain(error, &request))?.body;
    match args.form.output {
        Form::Json => output::json(ctx, &answer)?,
        Form::Yaml => output::yaml(ctx, &answer)?,
        Form::Name => ctx.line(format_args!("job/{}", job.name))?,
        Form::Table => {
            for sink in output::items(&answer) {
                ctx.put(sample_text(&sink))?;
            }
            let (ns, name) = (&job.ns, &job.name);
            ctx.say(format_args!("next: millrace job deploy {name} -f … -n {ns}"));
        }
    }
    Ok(ExitKind::Done)
}

/// The rows of one sink, their columns in the order of their names.
fn sample_text(sink: &Value) -> String {
    let rows = sink["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let more = if sink["truncated"].as_bool() == Some(true) { ", and more" } else { "" };
    let title = format!("{} ({} rows{more})\n", plain(&sink["sink"]), rows.len());
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return title;
    }
    let mut table =
        Table::with_header(&names.iter().map(|name| (*name).clone()).collect::<Vec<_>>());
    for row in rows {
        table.row(&names.iter().map(|name| plain(&row[name.as_str()])).collect::<Vec<_>>());
    }
    format!("{title}{table}\n")
}
