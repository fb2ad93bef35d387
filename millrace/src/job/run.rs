//! `millrace job run --local`: the whole job in this process, over files, to its end.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, ensure};

use millrace_plan::{JobPlan, Node};
use millrace_processors::connector::{FileFormat, FileSink, FileSource};
use millrace_processors::{JobError, JobStatus};

use super::args::FileArg;
use super::check::plan_job;
use super::inputs::Inputs;
use super::late::keep_late_rows;
use super::results::SinkRows;
use super::show::{self, Outcome, Sample};
use crate::cli::JobRunArgs;
use crate::compose::LocalJob;
use crate::{Verdict, compose};

/// Runs the job and shows what came of it.
pub(super) async fn run(args: JobRunArgs) -> anyhow::Result<Verdict> {
    ensure!(args.parallelism > 0, "--parallelism counts from 1");
    let started = Instant::now();
    let inputs = Inputs::of(&args.text)?;
    let mut plan = plan_job(&args.text.job, &inputs)?;
    if let Some(name) = &args.late {
        keep_late_rows(&mut plan, name)?;
    }
    let sources = sources(&plan, &inputs, args.batch_rows)?;
    let folders = folders(&plan, &args.sinks)?;
    let local = compose::local_job(&plan, &sources, &folders, args.parallelism);
    let planned = Instant::now();
    let status = to_the_end(&local).await?;
    let ran = planned.elapsed();
    let results = plan
        .sinks()
        .filter_map(|(_, sink)| local.collected.get_key_value(&sink.name))
        .map(|(name, rows)| SinkRows::of(&plan, name, rows, args.limit))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let outcome = Outcome {
        inputs: samples(&plan, &sources, &status, args.sample)?,
        plan: &plan,
        folders: args.sinks.iter().map(|sink| (sink.name.clone(), sink.path.clone())).collect(),
        results,
        status: &status,
    };
    show::outcome(&outcome, &args)?;
    show::talk(&outcome, planned - started, ran);
    Ok(Verdict::Good)
}

async fn to_the_end(local: &LocalJob) -> anyhow::Result<JobStatus> {
    let mut running = local.job.start();
    let control = match running.control().await {
        Ok(control) => control,
        // The run says better why it ended before it began.
        Err(early) => {
            running.wait().await?;
            return Err(early.into());
        }
    };
    match running.wait().await {
        Ok(_) => Ok(control.status()),
        Err(error @ JobError::Query { .. }) => {
            Err(error).context("the job stopped at a row that its SQL cannot compute")
        }
        Err(error) => Err(error.into()),
    }
}

/// The files of every stream that the job reads.
fn sources(
    plan: &JobPlan,
    inputs: &Inputs,
    batch_rows: usize,
) -> anyhow::Result<BTreeMap<String, FileSource>> {
    let named = plan.sources().map(|(_, source)| &source.name);
    let with_rows = |name: &String| {
        let rows = inputs.rows(name)?.clone().batch_rows(batch_rows);
        Ok((name.clone(), rows))
    };
    named.map(with_rows).collect()
}

/// The sinks that are written instead of shown.
fn folders(plan: &JobPlan, args: &[FileArg]) -> anyhow::Result<BTreeMap<String, FileSink>> {
    let mut folders = BTreeMap::new();
    for FileArg { name, path, format } in args {
        let known: Vec<_> = plan.sinks().map(|(_, sink)| sink.name.as_str()).collect();
        ensure!(
            known.contains(&name.as_str()),
            "--sink {name}=…: the job writes {}",
            known.join(", ")
        );
        let changing = plan
            .sinks()
            .any(|(node, sink)| sink.name == *name && !below(plan, node).changes.is_append());
        ensure!(
            !changing,
            "--sink {name}=…: rows of `{name}` change, and files take only new rows: leave the \
             option out to see what is left, or aggregate in windows, whose rows are final"
        );
        let sink = FileSink::new(path, format.unwrap_or(FileFormat::JsonLines));
        folders.insert(name.clone(), sink);
    }
    Ok(folders)
}

fn below<'a>(plan: &'a JobPlan, sink: &Node) -> &'a Node {
    plan.node(sink.inputs[0].from)
}

/// The first rows of every source, in the columns that the job reads, and how many were read.
fn samples(
    plan: &JobPlan,
    sources: &BTreeMap<String, FileSource>,
    status: &JobStatus,
    rows: usize,
) -> anyhow::Result<Vec<Sample>> {
    let mut samples: BTreeMap<String, Sample> = BTreeMap::new();
    for (node, source) in plan.sources() {
        let files = &sources[&source.name];
        let read = status.operators.get(&node.operator.0).map_or(0, |seen| seen.rows_in);
        let rows = files.head(rows)?.project(&source.columns)?;
        let sample = Sample { stream: source.name.clone(), rows, read };
        // A stream that is scanned more than once counts once.
        samples.entry(source.name.clone()).or_insert(sample);
    }
    Ok(samples.into_values().collect())
}
