//! `delete`: by name, or what manifests list.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::apply::namespace_of;
use crate::args::ReasonArgs;
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::kind::{Kind, parse_name};
use crate::manifest::Sources;
use crate::units::parse_time;

/// How long the end of a job is waited for before what it reads is removed.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// What to remove.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// namespace, connection, stream, route or job.
    #[arg(required_unless_present = "files", requires = "name")]
    kind: Option<Kind>,
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: Option<String>,
    /// Everything that these manifests declare: a file, a folder, or `-` for stdin.
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR|-", conflicts_with = "kind")]
    files: Vec<PathBuf>,
    /// The namespace; by default what the documents say, else `default`.
    #[arg(short, long, value_name = "NS", value_parser = parse_name)]
    namespace: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Only if it still has this version (`resourceVersion`).
    #[arg(long, value_name = "N", conflicts_with = "files")]
    if_version: Option<i64>,
    /// Wait until it is gone; at most this long.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s",
        value_parser = parse_time
    )]
    wait: Option<Duration>,
    #[command(flatten)]
    reason: ReasonArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// One thing to remove.
struct Doomed {
    kind: Kind,
    ns: String,
    name: String,
}

impl Doomed {
    fn title(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }
}

pub(super) async fn run(args: DeleteArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let doomed = doomed(&args, ctx)?;
    let api = args.connection.open(ctx)?;
    let titles: Vec<String> = doomed.iter().map(Doomed::title).collect();
    if !args.yes && !ctx.agreed(&format!("delete {}?", titles.join(", ")))? {
        ctx.say("nothing was deleted");
        return Ok(ExitKind::No);
    }
    let several = doomed.len() > 1;
    let mut ending: Vec<&Doomed> = Vec::new();
    for one in &doomed {
        // What a job reads is in use until the job's run has ended.
        if one.kind < Kind::Job {
            for job in ending.drain(..) {
                until_it_is_gone(job, args.wait.unwrap_or(ENDS_WITHIN), ctx, &api).await?;
            }
        }
        let call = Call::delete(&one.kind.path(&one.ns, &one.name))
            .query(args.reason.query())
            .if_match(args.if_version);
        match api.send(ctx, call).await {
            Ok(_) => {
                ctx.line(format_args!("{} deleted", one.title()))?;
                if one.kind == Kind::Job {
                    ending.push(one);
                }
            }
            // What is gone already is what a list of manifests wants.
            Err(ClientError::Problem(p)) if several && p.exit() == ExitKind::NotFound => {
                ctx.line(format_args!("{} not found", one.title()))?;
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(limit) = args.wait {
        for one in &doomed {
            until_it_is_gone(one, limit, ctx, &api).await?;
        }
    }
    Ok(ExitKind::Done)
}

/// What is to be removed, each before what it depends on.
fn doomed(args: &DeleteArgs, ctx: &mut Context) -> Result<Vec<Doomed>, ClientError> {
    let given = args.namespace.as_deref();
    if let (Some(kind), Some(name)) = (args.kind, &args.name) {
        if kind == Kind::Table {
            let why = "a table is not declared; delete what writes it";
            return Err(ClientError::Usage(why.to_owned()));
        }
        let ns = given.unwrap_or("default").to_owned();
        return Ok(vec![Doomed { kind, ns, name: name.clone() }]);
    }
    let sources = Sources::read(ctx, &args.files)?;
    let mut doomed = Vec::new();
    for (_, document) in sources.documents() {
        let kind: Kind = document.kind.parse().map_err(ClientError::Usage)?;
        let name = parse_name(&document.name)
            .map_err(|why| ClientError::Usage(format!("`{}`: {why}", document.name)))?;
        doomed.push(Doomed { kind, ns: namespace_of(document, given), name });
    }
    doomed.sort_by_key(|one| std::cmp::Reverse(one.kind));
    Ok(doomed)
}

async fn until_it_is_gone(
    one: &Doomed,
    limit: Duration,
    ctx: &mut Context,
    api: &Api,
) -> Result<(), ClientError> {
    let path = one.kind.path(&one.ns, &one.name);
    let gone = tokio::time::timeout(limit, async {
        loop {
            match api.send(ctx, Call::get(&path)).await {
                Ok(_) => {}
                Err(ClientError::Problem(p)) if p.exit() == ExitKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            ctx.progress(&format!("{} is being deleted", one.title()));
            tokio::time::sleep(ctx.poll).await;
        }
    })
    .await;
    ctx.progress("");
    let late = || format!("{} is still there after {}s", one.title(), limit.as_secs_f64());
    gone.unwrap_or_else(|_| Err(ClientError::TimedOut(late())))
}
