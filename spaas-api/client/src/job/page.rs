//! A job's status, runs and savepoints for people.

use std::fmt::Write;

use serde_json::Value;

use crate::table::{Table, one_line};
use crate::units::{bytes, count, moment, plain, span_ms};
use crate::wait::status_of;

/// Goal and status, a fact a line; empty if nothing is known.
pub(crate) fn status(answer: &Value) -> String {
    let (goal, status) = (&answer["goal"], status_of(answer));
    let worker = &status["worker"];
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        if value != "-" {
            let _ = writeln!(text, "  {name:<11}{}", one_line(&value));
        }
    };
    fact("phase", plain(&status["phase"]));
    fact("reason", plain(&status["reason"]));
    fact("wanted", wanted(goal));
    let seen = status["observedGoal"].as_i64();
    if seen < goal["goal"].as_i64() {
        fact("pending", "the newest change has not been acted on yet".to_owned());
    }
    fact("at version", plain(&status["observedGeneration"]));
    fact("run", plain(&status["run"]));
    fact("restarts", plain(&status["restarts"]));
    if status["failures"].as_i64().is_some_and(|failures| failures > 0) {
        fact("failures", plain(&status["failures"]));
    }
    fact("next start", moment(&status["nextStartMs"]));
    if worker.is_object() {
        fact("state", bytes(&worker["stateBytes"]));
        fact("memory", bytes(&worker["rssBytes"]));
        fact("checkpoint", checkpoint(&worker["checkpoint"]));
        fact("failure", plain(&worker["lastFailure"]));
    }
    let list = |name: &str| worker[name].as_array().cloned().unwrap_or_default();
    let _ = write!(text, "{}{}", sources(&list("sources")), sinks(&list("sinks")));
    text
}

fn wanted(goal: &Value) -> String {
    let Some(desired) = goal["desired"].as_str() else { return "-".to_owned() };
    let mut text = format!("{desired}, version {}", plain(&goal["version"]));
    if !goal["parallelism"].is_null() {
        let _ = write!(text, ", parallelism {}", plain(&goal["parallelism"]));
    }
    if goal["drain"].as_bool() == Some(true) {
        text.push_str(", drained");
    }
    text
}

fn checkpoint(checkpoint: &Value) -> String {
    if checkpoint["number"].as_u64().is_none_or(|number| number == 0) {
        return "none yet".to_owned();
    }
    let took = checkpoint["durationUs"].as_f64().unwrap_or_default() / 1e3;
    format!(
        "{} at {}, took {}, {}",
        plain(&checkpoint["number"]),
        moment(&checkpoint["completedMs"]),
        span_ms(took),
        bytes(&checkpoint["bytes"])
    )
}

fn sources(sources: &[Value]) -> String {
    let mut table = Table::new(&["  SOURCE", "EVENTS", "LAG", "WATERMARK", "LATE", "DEAD LETTERS"]);
    for source in sources {
        table.row(&[
            format!("  {}", plain(&source["name"])),
            count(&source["rows"]),
            count(&source["lag"]),
            moment(&source["watermarkMs"]),
            count(&source["late"]),
            count(&source["deadLetters"]),
        ]);
    }
    if table.is_empty() { String::new() } else { table.to_string() }
}

fn sinks(sinks: &[Value]) -> String {
    let mut table = Table::new(&["  SINK", "ROWS", "BYTES"]);
    for sink in sinks {
        let name = format!("  {}", plain(&sink["name"]));
        table.row(&[name, count(&sink["rows"]), bytes(&sink["bytes"])]);
    }
    if table.is_empty() { String::new() } else { table.to_string() }
}

/// Runs of a job.
pub(crate) fn runs(runs: &[Value]) -> Table {
    let mut table = Table::new(&["RUN", "VERSION", "STATE", "STARTED", "ENDED", "HOW"]);
    for run in runs {
        let end = &run["end"];
        let how = match end["reason"].as_str() {
            Some(reason) => format!("{}: {reason}", plain(&end["kind"])),
            None => plain(&end["kind"]),
        };
        table.row(&[
            plain(&run["id"]),
            plain(&run["version"]),
            plain(&run["state"]),
            moment(&run["startedMs"]),
            moment(&run["endedMs"]),
            how,
        ]);
    }
    table
}

/// Savepoints of a job.
pub(crate) fn savepoints(savepoints: &[Value]) -> Table {
    let mut table = Table::new(&["ID", "VERSION", "STATE", "CREATED", "BY", "PATH"]);
    for savepoint in savepoints {
        let state = &savepoint["state"];
        let state = match state["reason"].as_str() {
            Some(reason) => format!("{}: {reason}", plain(&state["kind"])),
            None => plain(&state["kind"]),
        };
        table.row(&[
            plain(&savepoint["id"]),
            plain(&savepoint["version"]),
            state,
            moment(&savepoint["createdMs"]),
            plain(&savepoint["author"]),
            plain(&savepoint["path"]),
        ]);
    }
    table
}
