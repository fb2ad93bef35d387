//! `diff`: what `apply` would change.

use std::fmt::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::apply::{is_namespace, namespace_of, namespaces, title};
use crate::args::ManifestArgs;
use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::Call;
use crate::manifest::{Request, Sources, explain};
use crate::output;
use crate::table::one_line;

/// Form of the differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffForm {
    /// A unified diff.
    Text,
    /// The API's answer as JSON.
    Json,
    /// The API's answer as YAML.
    Yaml,
}

/// What to compare.
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Form of the differences.
    #[arg(short, long, value_enum, default_value = "text")]
    output: DiffForm,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(super) async fn run(args: DiffArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let sources = Sources::read(ctx, &args.manifests.files)?;
    let api = args.connection.open(ctx)?;
    let given = args.manifests.namespace.as_deref();
    let mut results = Vec::new();
    for ns in namespaces(&sources, given) {
        let request = Request::of(&sources, |d| !is_namespace(d) && namespace_of(d, given) == ns);
        let path = ["v1", "namespaces", &ns, "diff"].map(ToOwned::to_owned);
        let call = Call::ask(&path).yaml(request.text.clone());
        let answer = api.send(ctx, call).await.map_err(|error| explain(error, &request))?;
        results.extend(output::items(&answer.body));
    }
    let differs = results.iter().any(differs);
    match args.output {
        DiffForm::Json => output::json(ctx, &json!({"results": results}))?,
        DiffForm::Yaml => output::yaml(ctx, &json!({"results": results}))?,
        DiffForm::Text => {
            let colour = ctx.colour();
            for result in results.iter().filter(|result| self::differs(result)) {
                ctx.put(shown(result, colour))?;
            }
        }
    }
    Ok(if differs { ExitKind::No } else { ExitKind::Done })
}

fn differs(result: &Value) -> bool {
    let changed = result["outcome"].as_str().is_some_and(|outcome| outcome != "unchanged");
    changed || result["diff"].as_str().is_some_and(|diff| !diff.is_empty())
}

fn shown(result: &Value, colour: bool) -> String {
    match result["diff"].as_str().filter(|diff| !diff.is_empty()) {
        Some(diff) => unified(diff, colour),
        None => format!("{} {}\n", title(result), result["outcome"].as_str().unwrap_or("differs")),
    }
}

/// A unified diff as a terminal shows it.
pub(crate) fn unified(diff: &str, colour: bool) -> String {
    const RED: &str = "31";
    const GREEN: &str = "32";
    const CYAN: &str = "36";
    const BOLD: &str = "1";
    let mut text = String::new();
    for line in diff.lines() {
        let style = match line.chars().next() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => BOLD,
            Some('-') => RED,
            Some('+') => GREEN,
            Some('@') => CYAN,
            _ => "",
        };
        let line = one_line(line);
        let _ = if colour && !style.is_empty() {
            writeln!(text, "\x1b[{style}m{line}\x1b[0m")
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_colours_and_nothing_else_of_that_kind() {
        let diff = "--- a\n+++ b\n@@ -1 +1 @@\n same\n-old\u{1b}[2J\n+new\n";
        assert_eq!(unified(diff, false), diff.replace('\u{1b}', " "));
        let shown = unified(diff, true);
        assert!(shown.contains("\u{1b}[31m-old [2J\u{1b}[0m\n\u{1b}[32m+new"), "{shown:?}");
        assert!(shown.contains("\n same\n"), "{shown:?}");
    }
}
