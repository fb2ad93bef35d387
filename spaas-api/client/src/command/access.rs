//! `token`, `whoami` and `audit-log`: who may do what, and who did.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::get::{all, newest};
use crate::args::{Form, FormArgs, ReasonArgs};
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::{EXIT_CODES, ExitKind};
use crate::http::Call;
use crate::kind::parse_name;
use crate::output;
use crate::table::Table;
use crate::units::{moment, parse_time, plain};

/// What to do with tokens.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    verb: TokenVerb,
}

/// What to do with tokens.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token. Its text is shown this once.
    #[command(after_help = EXIT_CODES)]
    Create(TokenCreateArgs),
    /// Show what tokens there are; their texts are not kept.
    #[command(after_help = EXIT_CODES)]
    List(TokenListArgs),
    /// Take a token back.
    #[command(after_help = EXIT_CODES)]
    Delete(TokenDeleteArgs),
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Declare, deploy, stop, delete.
    Editor,
    /// Give access; make and remove namespaces.
    Admin,
}

/// A token to make.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenCreateArgs {
    /// What it is for; the author of what is done with it.
    name: String,
    /// What it may do.
    #[arg(long, value_enum)]
    role: Role,
    /// Where: a namespace, or `*` for all; may be repeated.
    #[arg(long = "namespace", short, required = true, value_name = "NS")]
    namespaces: Vec<String>,
    /// It ends after this long; by default never.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires: Option<Duration>,
    /// Write the token into this new file, which only its owner can read, instead of to stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reason: ReasonArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// How to list tokens.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenListArgs {
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Which token to take back.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenDeleteArgs {
    /// Its id, as `token list` shows it.
    id: String,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    reason: ReasonArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Which part of the audit log.
#[derive(Debug, Clone, Args)]
pub struct AuditLogArgs {
    /// A page of those after the entry of this number, instead of the newest.
    #[arg(long, value_name = "N")]
    after: Option<i64>,
    /// At most so many.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=500)
    )]
    limit: u32,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// How to show who the token stands for.
#[derive(Debug, Clone, Args)]
pub struct WhoamiArgs {
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

fn tokens_path() -> Vec<String> {
    ["v1", "tokens"].map(ToOwned::to_owned).to_vec()
}

pub(super) async fn token(args: TokenArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    match args.verb {
        TokenVerb::Create(args) => create(args, ctx).await,
        TokenVerb::List(args) => list(args, ctx).await,
        TokenVerb::Delete(args) => delete(args, ctx).await,
    }
}

async fn create(args: TokenCreateArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let role = match args.role {
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Admin => "admin",
    };
    for ns in args.namespaces.iter().filter(|ns| *ns != "*") {
        parse_name(ns).map_err(|why| ClientError::Usage(format!("namespace `{ns}`: {why}")))?;
    }
    let bindings: Vec<Value> =
        args.namespaces.iter().map(|ns| json!({"namespace": ns, "role": role})).collect();
    let mut body = json!({"name": args.name, "bindings": bindings});
    if let Some(expires) = args.expires {
        let lives_ms = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
        body["expiresMs"] = json!(ctx.clock.now_ms().saturating_add(lives_ms));
    }
    // The file is made first: a token that cannot be written down would be lost.
    let file = args.out.as_deref().map(new_file).transpose()?;
    let api = args.connection.open(ctx)?;
    let call = Call::post(&tokens_path()).query(args.reason.query()).json(&body);
    let answer = match api.send(ctx, call).await {
        Ok(answer) => answer.body,
        Err(error) => {
            if let Some(path) = &args.out {
                let _ = std::fs::remove_file(path);
            }
            return Err(error);
        }
    };
    let text = ["token", "secret"].iter().find_map(|name| answer[name].as_str());
    let text =
        text.ok_or_else(|| ClientError::Failed("the server's answer holds no token".to_owned()))?;
    let id = ["id", "info"]
        .iter()
        .find_map(|name| answer[name].as_str().or_else(|| answer[name]["id"].as_str()));
    let id = id.unwrap_or("-");
    if let (Some(mut file), Some(path)) = (file, &args.out) {
        writeln!(file, "{text}")?;
        ctx.say(format_args!("token {id} is in {}", path.display()));
        ctx.say(format_args!("use it: --token-file {}", path.display()));
    } else {
        ctx.line(text)?;
        ctx.say(format_args!("token {id}; it is shown this once"));
    }
    Ok(ExitKind::Done)
}

/// A file that was not there before and that only its owner can read.
fn new_file(path: &Path) -> Result<std::fs::File, ClientError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map_err(|error| ClientError::Usage(format!("{} cannot be made: {error}", path.display())))
}

async fn list(args: TokenListArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let tokens = all(ctx, &api, &tokens_path(), &[]).await?;
    let names: Vec<String> = tokens.iter().map(|t| format!("token/{}", plain(&t["id"]))).collect();
    let whole = json!({"items": tokens});
    output::answer(ctx, args.form.output, &whole, &names, || {
        let mut table = Table::new(&["ID", "NAME", "MAY", "CREATED", "EXPIRES", "LAST USED"]);
        for token in &tokens {
            table.row(&[
                plain(&token["id"]),
                plain(&token["name"]),
                bindings(token),
                moment(&token["createdMs"]),
                moment(&token["expiresMs"]),
                moment(&token["lastUsedMs"]),
            ]);
        }
        table
    })?;
    Ok(ExitKind::Done)
}

/// `editor in shop, viewer in *`.
fn bindings(of: &Value) -> String {
    let bindings = of["bindings"].as_array().map_or(&[][..], Vec::as_slice);
    let word = |b: &Value| format!("{} in {}", plain(&b["role"]), plain(&b["namespace"]));
    bindings.iter().map(word).collect::<Vec<_>>().join(", ")
}

async fn delete(args: TokenDeleteArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let clean = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if args.id.is_empty() || !args.id.chars().all(clean) {
        // Not shown: somebody may have pasted a token.
        let why = "that is no id of a token; see: millrace token list";
        return Err(ClientError::Usage(why.to_owned()));
    }
    let api = args.connection.open(ctx)?;
    if !args.yes && !ctx.agreed("take the token back?")? {
        ctx.say("nothing was deleted");
        return Ok(ExitKind::No);
    }
    let mut path = tokens_path();
    path.push(args.id);
    api.send(ctx, Call::delete(&path).query(args.reason.query())).await?;
    ctx.line("token deleted")?;
    Ok(ExitKind::Done)
}

pub(super) async fn audit_log(
    args: AuditLogArgs,
    ctx: &mut Context,
) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let path = ["v1", "audit"].map(ToOwned::to_owned);
    let answer = if let Some(after) = args.after {
        let query = [("after", after.to_string()), ("limit", args.limit.to_string())];
        api.send(ctx, Call::get(&path).query(query)).await?.body
    } else {
        let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
        json!({"items": newest(ctx, &api, &path, most).await?})
    };
    let entries = output::items(&answer);
    let names: Vec<String> =
        entries.iter().map(|e| format!("audit/{}", plain(&e["seq"]))).collect();
    output::answer(ctx, args.form.output, &answer, &names, || {
        let mut table = Table::new(&["SEQ", "TIME", "BY", "STATUS", "REQUEST", "REASON"]);
        for entry in &entries {
            table.row(&[
                plain(&entry["seq"]),
                moment(&entry["atMs"]),
                plain(&entry["actor"]),
                plain(&entry["status"]),
                format!("{} {}", plain(&entry["method"]), plain(&entry["path"])),
                plain(&entry["reason"]),
            ]);
        }
        table
    })?;
    if !answer["next"].is_null() && args.form.output == Form::Table {
        ctx.say(format_args!("more: millrace audit-log --after {}", plain(&answer["next"])));
    }
    Ok(ExitKind::Done)
}

pub(super) async fn whoami(args: WhoamiArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let path = ["v1", "whoami"].map(ToOwned::to_owned);
    let who = api.send(ctx, Call::get(&path)).await?.body;
    let names = [format!("token/{}", plain(&who["name"]))];
    output::answer(ctx, args.form.output, &who, &names, || {
        let mut table = Table::new(&["NAME", "MAY", "EXPIRES"]);
        table.row(&[plain(&who["name"]), bindings(&who), moment(&who["expiresMs"])]);
        table
    })?;
    Ok(ExitKind::Done)
}
