//! `millrace job explain` and `millrace job validate`: what a job is, and what is wrong with it.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::json;

use millrace_plan::{ExplainForm, JobPlan, SqlError, explain as explain_plan, plan};

use super::inputs::Inputs;
use super::mistakes;
use crate::Verdict;
use crate::cli::{CheckOutput, JobExplainArgs, JobValidateArgs, PlanOutput};

/// The text of the job.
pub(super) fn read_job(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read the job from stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// The plan of the job; every mistake in it is said on stderr. Warnings too.
pub(super) fn plan_job(path: &Path, inputs: &Inputs) -> anyhow::Result<JobPlan> {
    match plan(&read_job(path)?, &inputs.catalog()) {
        Ok(plan) => {
            if !plan.warnings.is_empty() {
                eprintln!("warning: {}\n", mistakes::for_people(path, &plan.warnings));
            }
            Ok(plan)
        }
        Err(found) => {
            eprintln!("{}\n", mistakes::for_people(path, &found));
            bail!("{} in the job; nothing was run", mistakes::count(&found));
        }
    }
}

/// `millrace job explain`.
pub(super) fn explain(args: &JobExplainArgs) -> anyhow::Result<Verdict> {
    let plan = plan_job(&args.text.job, &Inputs::of(&args.text)?)?;
    let form = match args.output {
        PlanOutput::Text => ExplainForm::Text,
        PlanOutput::Json => ExplainForm::Json,
        PlanOutput::Dot => ExplainForm::Dot,
    };
    println!("{}", explain_plan(&plan, form).trim_end());
    Ok(Verdict::Good)
}

/// `millrace job validate`: every mistake on stdout.
pub(super) fn validate(args: &JobValidateArgs) -> anyhow::Result<Verdict> {
    let job = &args.text.job;
    let inputs = Inputs::of(&args.text)?;
    let (found, warnings) = match plan(&read_job(job)?, &inputs.catalog()) {
        Ok(plan) => (Vec::new(), plan.warnings),
        Err(found) => (found, Vec::new()),
    };
    let verdict = if found.is_empty() { Verdict::Good } else { Verdict::Bad };
    match args.output {
        CheckOutput::Json => {
            let answer = json!({
                "valid": found.is_empty(),
                "mistakes": mistakes::for_programs(&found),
                "warnings": mistakes::for_programs(&warnings),
            });
            println!("{}", serde_json::to_string_pretty(&answer)?);
        }
        CheckOutput::Text => print_text(job, &found, &warnings),
    }
    Ok(verdict)
}

fn print_text(job: &Path, found: &[SqlError], warnings: &[SqlError]) {
    if found.is_empty() {
        println!("{}: no mistakes", job.display());
    } else {
        println!("{}", mistakes::for_people(job, found));
        eprintln!("{}", mistakes::count(found));
    }
    if !warnings.is_empty() {
        println!("\nwarning: {}", mistakes::for_people(job, warnings));
    }
}
