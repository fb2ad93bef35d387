//! What a local run shows: results on stdout, talk on stderr.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use arrow::array::RecordBatch;
use serde_json::{Value, json};

use millrace_plan::{ExplainForm, JobPlan, NodeId, explain};
use millrace_processors::JobStatus;
use millrace_spaas::sql::{Format, write_batches};

use super::results::SinkRows;
use crate::cli::{JobRunArgs, RunOutput};

/// A source's first rows.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) stream: String,
    pub(super) rows: RecordBatch,
    /// Rows that the job read.
    pub(super) read: u64,
}

/// All there is to show.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) inputs: Vec<Sample>,
    pub(super) plan: &'a JobPlan,
    /// Sinks that were written to folders.
    pub(super) folders: Vec<(String, PathBuf)>,
    /// All other sinks.
    pub(super) results: Vec<SinkRows>,
    pub(super) status: &'a JobStatus,
}

/// Writes the outcome to stdout.
pub(super) fn outcome(outcome: &Outcome<'_>, args: &JobRunArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match args.output {
        RunOutput::Table => tables(outcome, args, &mut out),
        RunOutput::Json => {
            let answer = json(outcome)?;
            Ok(writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?)
        }
        RunOutput::Csv => {
            for result in &outcome.results {
                write_rows(Format::Csv, &result.rows, &mut out)?;
            }
            Ok(())
        }
    }
}

fn write_rows(format: Format, rows: &RecordBatch, out: &mut impl Write) -> anyhow::Result<()> {
    write_batches(format, &rows.schema(), std::slice::from_ref(rows), out)?;
    Ok(())
}

fn tables(outcome: &Outcome<'_>, args: &JobRunArgs, out: &mut impl Write) -> anyhow::Result<()> {
    for sample in outcome.inputs.iter().filter(|_| args.sample > 0) {
        let shown = sample.rows.num_rows();
        writeln!(out, "input {}: {} rows, the first {shown}", sample.stream, sample.read)?;
        write_rows(Format::Table, &sample.rows, out)?;
        writeln!(out)?;
    }
    writeln!(out, "plan")?;
    if args.explain {
        writeln!(out, "{}", explain(outcome.plan, ExplainForm::Text).trim_end())?;
    } else {
        for (node, _) in outcome.plan.sinks() {
            writeln!(out, "  {}", chain(outcome.plan, node.id))?;
        }
    }
    for result in &outcome.results {
        let what = match &result.key {
            None => format!("{} rows", result.total),
            Some(key) => format!(
                "{} changes leave {} rows by ({})",
                result.changes,
                result.total,
                key.join(", ")
            ),
        };
        let shown = result.rows.num_rows();
        let cut = if shown < result.total { format!(", the first {shown}") } else { String::new() };
        writeln!(out, "\nresult {}: {what}{cut}", result.name)?;
        write_rows(Format::Table, &result.rows, out)?;
    }
    Ok(())
}

/// An operator and what it reads, in one line.
fn chain(plan: &JobPlan, node: NodeId) -> String {
    let node = plan.node(node);
    let own = node.operator.to_string();
    match node.inputs.as_slice() {
        [] => own,
        [input] => format!("{} → {own}", chain(plan, input.from)),
        inputs => {
            let inputs: Vec<_> = inputs.iter().map(|input| chain(plan, input.from)).collect();
            format!("({}) → {own}", inputs.join(") + ("))
        }
    }
}

fn json(outcome: &Outcome<'_>) -> anyhow::Result<Value> {
    let mut inputs = serde_json::Map::new();
    for sample in &outcome.inputs {
        let sampled = rows_json(&sample.rows)?;
        inputs.insert(sample.stream.clone(), json!({ "read": sample.read, "sample": sampled }));
    }
    let mut results = serde_json::Map::new();
    for result in &outcome.results {
        let answer = json!({
            "key": result.key,
            "changes": result.changes,
            "total": result.total,
            "truncated": result.rows.num_rows() < result.total,
            "rows": rows_json(&result.rows)?,
        });
        results.insert(result.name.clone(), answer);
    }
    let mut operators = serde_json::Map::new();
    for (id, seen) in &outcome.status.operators {
        let counts = json!({ "in": seen.rows_in, "out": seen.rows_out, "late": seen.late });
        operators.insert(id.clone(), counts);
    }
    let plan: Value = serde_json::from_str(&explain(outcome.plan, ExplainForm::Json))?;
    let status = outcome.status;
    Ok(json!({
        "inputs": inputs,
        "plan": plan,
        "results": results,
        "operators": operators,
        "late_by_split": status.late_by_split,
    }))
}

/// Rows as a JSON array of objects.
pub(crate) fn rows_json(rows: &RecordBatch) -> anyhow::Result<Value> {
    let mut text = Vec::new();
    write_rows(Format::Json, rows, &mut text)?;
    let mut answer: Value = serde_json::from_slice(&text)?;
    Ok(answer["rows"].take())
}

/// Says on stderr how the run went.
pub(super) fn talk(outcome: &Outcome<'_>, planning: Duration, running: Duration) {
    for (sink, folder) in &outcome.folders {
        eprintln!("sink {sink} is in {}", folder.display());
    }
    let late: Vec<_> = outcome.status.operators.iter().filter(|(_, seen)| seen.late > 0).collect();
    for (operator, seen) in late {
        eprintln!(
            "{} rows were left out by {operator}: their windows had closed (raise the delay of \
             their stream to wait for them)",
            seen.late
        );
    }
    for (split, rows) in &outcome.status.late_by_split {
        eprintln!("{rows} rows of {split} were behind the watermark of their file");
    }
    let read: u64 = outcome.inputs.iter().map(|sample| sample.read).sum();
    let seconds = running.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
    let rate = read as f64 / seconds.max(1e-9);
    eprintln!(
        "{read} rows in {seconds:.2} s ({rate:.0} rows/s), prepared in {:.2} s",
        planning.as_secs_f64()
    );
}
