//! `top`: all jobs in numbers, again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::output;
use crate::table::Table;
use crate::units::{bytes, count, parse_time, plain, short, span, span_ms};

/// Clears the screen and goes to its beginning.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Form of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopForm {
    /// Columns for people.
    Table,
    /// One JSON object for each look, one a line.
    Json,
}

/// How to look.
#[derive(Debug, Clone, Args)]
pub struct TopArgs {
    /// Look once (twice, for what there is per second) and end; so it is off a terminal.
    #[arg(long)]
    once: bool,
    /// Time between looks.
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = parse_time)]
    interval: Duration,
    /// Form of the numbers.
    #[arg(short, long, value_enum, default_value = "table")]
    output: TopForm,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// All jobs at a moment.
struct Sample {
    at: Duration,
    jobs: Vec<Value>,
}

pub(super) async fn run(args: TopArgs, ctx: &mut Context) -> Result<ExitKind, ClientError> {
    let api = args.connection.open(ctx)?;
    let mut before = sample(ctx, &api).await?;
    let once = args.once || (args.output == TopForm::Table && !ctx.out_terminal);
    loop {
        tokio::time::sleep(args.interval).await;
        let now = sample(ctx, &api).await?;
        let jobs = with_rates(&before, &now);
        match args.output {
            TopForm::Json => ctx.line(json!({"jobs": jobs}))?,
            TopForm::Table => {
                let clear = if once { "" } else { CLEAR };
                ctx.put(format_args!("{clear}{}", table(&jobs)))?;
            }
        }
        if once {
            return Ok(ExitKind::Done);
        }
        before = now;
    }
}

async fn sample(ctx: &mut Context, api: &Api) -> Result<Sample, ClientError> {
    let path = ["v1", "overview"].map(ToOwned::to_owned);
    let answer = api.send(ctx, Call::get(&path)).await?;
    let jobs = output::items(&answer.body);
    Ok(Sample { at: ctx.clock.monotonic(), jobs })
}

fn key(job: &Value) -> (String, String) {
    (plain(&job["namespace"]), plain(&job["job"]))
}

/// The newer sample's jobs with what changed per second since the older one. Counts begin again
/// with each run: one that has become less says nothing.
fn with_rates(before: &Sample, now: &Sample) -> Vec<Value> {
    let seconds = now.at.saturating_sub(before.at).as_secs_f64();
    let older: BTreeMap<_, _> = before.jobs.iter().map(|job| (key(job), job)).collect();
    let mut jobs = now.jobs.clone();
    for job in &mut jobs {
        let Some(old) = older.get(&key(job)) else { continue };
        for (name, rate) in [
            ("eventsIn", "eventsInPerSecond"),
            ("rowsOut", "rowsOutPerSecond"),
            ("cpuSeconds", "cpu"),
        ] {
            let (Some(old), Some(new)) = (old[name].as_f64(), job[name].as_f64()) else { continue };
            if new >= old && seconds > 0.0 {
                job[rate] = json!((new - old) / seconds);
            }
        }
    }
    jobs.sort_by_key(key);
    jobs
}

fn table(jobs: &[Value]) -> Table {
    let mut table = Table::new(&[
        "NAMESPACE",
        "JOB",
        "PHASE",
        "VERSION",
        "IN/S",
        "OUT/S",
        "LAG",
        "DELAY",
        "CHECKPOINT",
        "AGE",
        "SIZE",
        "STATE",
        "LATE",
        "DEAD",
        "RESTARTS",
        "CPU",
        "MEMORY",
    ]);
    for job in jobs {
        let rate = |name: &str| job[name].as_f64().map_or_else(|| "-".to_owned(), short);
        let checkpointed = !job["checkpointAgeMs"].is_null();
        let known = |text: String| if checkpointed { text } else { "-".to_owned() };
        let took = job["checkpointDurationUs"].as_f64().unwrap_or_default() / 1e3;
        let cpu = job["cpu"].as_f64().map(|cpu| format!("{:.0}%", cpu * 100.0));
        table.row(&[
            plain(&job["namespace"]),
            plain(&job["job"]),
            plain(&job["phase"]),
            plain(&job["version"]),
            rate("eventsInPerSecond"),
            rate("rowsOutPerSecond"),
            count(&job["lag"]),
            span(&job["watermarkDelayMs"]),
            known(span_ms(took)),
            span(&job["checkpointAgeMs"]),
            known(bytes(&job["checkpointBytes"])),
            bytes(&job["stateBytes"]),
            count(&job["late"]),
            count(&job["deadLetters"]),
            plain(&job["restarts"]),
            cpu.unwrap_or_else(|| "-".to_owned()),
            bytes(&job["rssBytes"]),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, events: u64, cpu: f64) -> Sample {
        let job = json!({
            "namespace": "default", "job": "plays", "phase": "running",
            "eventsIn": events, "rowsOut": 5, "cpuSeconds": cpu,
        });
        Sample { at: Duration::from_secs(seconds), jobs: vec![job] }
    }

    #[test]
    fn rates_come_from_two_samples() {
        let jobs = with_rates(&at(10, 1000, 1.0), &at(12, 3000, 2.0));
        assert_eq!(jobs[0]["eventsInPerSecond"], 1000.0);
        assert_eq!(jobs[0]["rowsOutPerSecond"], 0.0);
        assert_eq!(jobs[0]["cpu"], 0.5);
    }

    #[test]
    fn a_run_that_began_again_has_no_rate_yet() {
        let jobs = with_rates(&at(10, 1000, 9.0), &at(12, 30, 0.1));
        assert!(jobs[0]["eventsInPerSecond"].is_null());
        assert!(jobs[0]["cpu"].is_null());
        let unseen = Sample { at: Duration::ZERO, jobs: Vec::new() };
        assert!(with_rates(&unseen, &at(12, 30, 0.1))[0]["eventsInPerSecond"].is_null());
    }
}
