//! Manifests for every command: from a folder, or the ones of the demo that are built in.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::bail;
use arrow::datatypes::SchemaRef;

use millrace_events::StreamSchema;
use millrace_router::RoutePlan;
use millrace_spec::{JobSpec, Manifests, Mistake, SqlCheck, SqlFault};

use crate::Verdict;
use crate::cli::ManifestArgs;
use crate::compose::{Unfit, plan_declared};

/// Streams and routes of the bundled data.
pub(crate) const DEMO: &str = include_str!("../../jobs/open-bandit/manifests.yaml");

/// Compiles a route's SQL as the router will.
pub(crate) struct Compiler;

impl SqlCheck for Compiler {
    fn check_route(
        &self,
        stream: &StreamSchema,
        filter: Option<&str>,
        select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        match RoutePlan::compile(stream, filter, select) {
            Ok(plan) => Ok(plan.output()),
            Err(m) => {
                Err(SqlFault { line: m.line, column: m.column, message: m.message, hint: m.hint })
            }
        }
    }
}

/// Reads and checks what `args` name.
fn read(args: &ManifestArgs) -> Result<Manifests, Vec<Mistake>> {
    match &args.manifests {
        Some(path) => millrace_spec::load_dir(path, &Compiler),
        None => load_text(Path::new("demo.yaml"), DEMO),
    }
}

/// Reads one text as if it were the file `path`.
pub(crate) fn load_text(path: &Path, text: &str) -> Result<Manifests, Vec<Mistake>> {
    millrace_spec::load_text(path, text, &Compiler)
}

/// Reads the documents that a worker was given, all together.
pub(crate) fn load_documents(documents: &[String]) -> Result<Manifests, Vec<Mistake>> {
    let named = |(number, text): (usize, &String)| {
        (PathBuf::from(format!("document {}", number + 1)), text.clone())
    };
    let texts: Vec<_> = documents.iter().enumerate().map(named).collect();
    millrace_spec::load_texts(&texts, &Compiler)
}

/// The manifests, or one error that lists every mistake.
pub(crate) fn load(args: &ManifestArgs) -> anyhow::Result<Manifests> {
    match read(args) {
        Ok(manifests) => Ok(manifests),
        Err(mistakes) => {
            for mistake in &mistakes {
                eprintln!("{mistake}");
            }
            bail!("{} in the manifests; nothing was started", count(mistakes.len()));
        }
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 mistake".to_owned() } else { format!("{n} mistakes") }
}

/// `millrace validate`: every mistake on stdout.
pub(crate) fn validate(args: &ManifestArgs) -> Verdict {
    match read(args) {
        Ok(manifests) => {
            let mistakes = unfit_jobs(&manifests);
            if mistakes.is_empty() {
                let (streams, routes) = (manifests.streams.len(), manifests.routes.len());
                let jobs = manifests.jobs.len();
                println!("{streams} streams, {routes} routes and {jobs} jobs: no mistakes");
                return Verdict::Good;
            }
            told(&mistakes)
        }
        Err(mistakes) => told(&mistakes),
    }
}

fn told(mistakes: &[impl Display]) -> Verdict {
    for mistake in mistakes {
        println!("{mistake}");
    }
    eprintln!("{}", count(mistakes.len()));
    Verdict::Bad
}

/// What is wrong with the SQL of jobs.
fn unfit_jobs(manifests: &Manifests) -> Vec<String> {
    let unfit = |job: &JobSpec| match plan_declared(job, manifests) {
        Ok(_) => Vec::new(),
        Err(Unfit::Spec(why)) => vec![format!("job `{}`: {why}", job.name)],
        Err(Unfit::Sql(mistakes)) => {
            let told = |mistake| format!("job `{}`, SQL: {mistake}", job.name);
            mistakes.iter().map(told).collect()
        }
    };
    manifests.jobs.iter().flat_map(unfit).collect()
}

/// `millrace schema`: the JSON Schema on stdout.
pub(crate) fn print_schema() -> anyhow::Result<Verdict> {
    println!("{}", serde_json::to_string_pretty(&millrace_spec::json_schema())?);
    Ok(Verdict::Good)
}
