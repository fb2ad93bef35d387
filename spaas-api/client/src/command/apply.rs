//! `apply`: manifests to declared things.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use crate::args::{Form, FormArgs, ManifestArgs, ReasonArgs, StateArgs, WaitArgs};
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::kind::{Kind, parse_name};
use crate::manifest::{Document, Request, Sources, explain};
use crate::output;
use crate::table::one_line;
use crate::wait::until_it_rests;

/// What to declare, and how.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Check everything and show what would happen; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: ReasonArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Namespaces of the documents, those that are declared themselves left out.
pub(super) fn namespaces(sources: &Sources, given: Option<&str>) -> BTreeSet<String> {
    let others = sources.documents().map(|(_, document)| document).filter(|d| !is_namespace(d));
    others.map(|document| namespace_of(document, given)).collect()
}

/// The namespace that a document is sent to.
pub(super) fn namespace_of(document: &Document, given: Option<&str>) -> String {
    let own = document.namespace.as_deref().filter(|name| parse_name(name).is_ok());
    given.or(own).unwrap_or("default").to_owned()
}

/// Whether a document declares a namespace; those are not in one.
pub(super) fn is_namespace(document: &Document) -> bool {
    document.kind == "Namespace"
}

pub(super) async fn run(args: ApplyArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let sources = Sources::read(ctx, &args.manifests.files)?;
    let api = args.connection.open(ctx)?;
    let mut results = declare_namespaces(&args, &sources, ctx, &api).await?;
    let given = args.manifests.namespace.as_deref();
    for ns in namespaces(&sources, given) {
        let request = Request::of(&sources, |d| !is_namespace(d) && namespace_of(d, given) == ns);
        let path = ["v1", "namespaces", &ns, "apply"].map(ToOwned::to_owned);
        let dry_run = args.dry_run.then(|| ("dry_run", "true".to_owned()));
        let call = Call::post(&path)
            .query(dry_run)
            .query(args.reason.query())
            .query(args.state.query())
            .yaml(request.text.clone());
        let answer = match api.send(ctx, call).await {
            Ok(answer) => answer,
            Err(error) if args.dry_run && is_new(&results, &ns, &error) => {
                ctx.say(format_args!(
                    "what is in namespace {ns} can be checked once that is there"
                ));
                continue;
            }
            Err(error) => return Err(explain(error, &request)),
        };
        for mut result in output::items(&answer.body) {
            result["namespace"] = json!(ns);
            results.push(result);
        }
    }
    show(&args, &results, ctx)?;
    wait(&args, &results, ctx, &api).await
}

/// Whether a namespace was not found because a dry run did not make it.
fn is_new(results: &[Value], ns: &str, error: &ClientError) -> bool {
    let made = |r: &Value| {
        r["kind"] == "Namespace" && r["name"] == ns && r["outcome"].as_str() == Some("created")
    };
    error.exit() == ExitKind::NotFound && results.iter().any(made)
}

/// Namespaces first: the others live in them.
async fn declare_namespaces(
    args: &ApplyArgs,
    sources: &Sources,
    ctx: &mut Context,
    api: &Api,
) -> Result<Vec<Value>, ClientError> {
    let mut results = Vec::new();
    for (_, document) in sources.documents().filter(|(_, document)| is_namespace(document)) {
        let name = parse_name(&document.name)
            .map_err(|why| ClientError::Usage(format!("namespace `{}`: {why}", document.name)))?;
        let request = Request::of(sources, |d| is_namespace(d) && d.name == name);
        let dry_run = args.dry_run.then(|| ("dry_run", "true".to_owned()));
        let call = Call::put(&Kind::Namespace.path("", &name))
            .query(dry_run)
            .query(args.reason.query())
            .yaml(request.text.clone());
        let answer = api.send(ctx, call).await.map_err(|error| explain(error, &request))?;
        let outcome = answer.outcome().unwrap_or("configured");
        results.push(json!({
            "kind": "Namespace", "name": name, "namespace": name, "outcome": outcome
        }));
    }
    Ok(results)
}

/// `kind/name` of a result.
pub(super) fn title(result: &Value) -> String {
    let kind = result["kind"].as_str().unwrap_or("thing").to_lowercase();
    format!("{kind}/{}", result["name"].as_str().unwrap_or("-"))
}

fn show(args: &ApplyArgs, results: &[Value], ctx: &mut Context) -> Result<(), ClientError> {
    match args.form.output {
        Form::Json => output::json(ctx, &json!({"results": results})),
        Form::Yaml => output::yaml(ctx, &json!({"results": results})),
        Form::Name => results.iter().try_for_each(|result| ctx.line(title(result))),
        Form::Table => {
            for result in results {
                let outcome = result["outcome"].as_str().unwrap_or("configured");
                let dry = if args.dry_run { " (dry run)" } else { "" };
                ctx.line(format_args!("{} {outcome}{dry}", title(result)))?;
                for warning in result["warnings"].as_array().into_iter().flatten() {
                    let words = warning.as_str().unwrap_or_default();
                    ctx.say(one_line(&format!("{}: warning: {words}", title(result))));
                }
            }
            if args.dry_run {
                ctx.say("nothing was changed; see the changes: millrace diff -f …");
            }
            Ok(())
        }
    }
}

/// Waits for the jobs, one after the other, each as long as was said.
async fn wait(
    args: &ApplyArgs,
    results: &[Value],
    ctx: &mut Context,
    api: &Api,
) -> Result<ExitKind, ClientError> {
    let jobs: Vec<(&str, &str)> = results
        .iter()
        .filter(|result| result["kind"].as_str() == Some("Job"))
        .filter_map(|result| Some((result["namespace"].as_str()?, result["name"].as_str()?)))
        .collect();
    let Some(limit) = args.wait.wait.filter(|_| !args.dry_run) else {
        if let (Some((ns, job)), false) = (jobs.first(), args.dry_run) {
            ctx.say(format_args!("next: millrace job status {job} -n {ns}"));
        }
        return Ok(ExitKind::Done);
    };
    for job in jobs {
        until_it_rests(ctx, api, job, limit).await?;
    }
    Ok(ExitKind::Done)
}
