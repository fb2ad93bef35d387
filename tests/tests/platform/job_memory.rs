//! A job that needs more memory than it may have: its run ends with that as its reason, and the
//! next ones follow at growing pauses; once a version needs less, all is well.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use millrace_tests::{Api, Site, eventually};

const JOB: &str = "/namespaces/default/jobs/greedy";
const STREAM: &str = "
kind: Stream
metadata: { name: words }
spec:
  format: json
  id: event_id
  columns:
    - { name: event_id, type: string }
    - { name: word, type: string }
";

/// Writes each word so many times.
fn job(times: u64) -> Value {
    let sql = format!("INSERT INTO greedy SELECT event_id, REPEAT(word, {times}) AS w FROM words");
    json!({
        "kind": "Job",
        "metadata": { "name": "greedy" },
        "spec": {
            "sql": sql,
            "memory": "64MiB",
            "sinks": { "greedy": { "table": "raw.greedy" } },
            "checkpoint": { "interval": "100ms" },
        },
    })
}

/// Runs that have failed, the oldest first.
async fn failed(api: &Api) -> Result<Vec<Value>> {
    let runs = api.get(&format!("{JOB}/runs")).await?.is(200)?.json;
    let ended = runs["items"].as_array().context("a list")?.iter();
    let failed = ended.filter(|run| matches!(run["end"]["kind"].as_str(), Some("failed" | "lost")));
    Ok(failed.rev().cloned().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_beyond_its_memory_says_so_and_backs_off() -> Result<()> {
    let site = Site::new(STREAM)?;
    let mut platform = site.up(None)?;
    let ready = platform.ready().await?;
    let api = Api::admin(&site.path("data"), ready["http"].as_str().context("an address")?)?;
    // Far beyond the limit, by a column so that it is not known before the event is read.
    api.put(JOB, &job(20_000_000)).await?.is(201)?;
    api.emit("words", &[json!({ "event_id": "e1", "word": "0123456789" })]).await?;
    let runs = eventually("three failures", async || {
        let runs = failed(&api).await?;
        Ok((runs.len() >= 3).then_some(runs))
    })
    .await
    .with_context(|| site.logs())?;
    for (run, pause) in runs.iter().zip([500, 1000, 2000]) {
        let reason = run["end"]["reason"].as_str().context("a reason")?;
        ensure!(reason.contains("out of memory"), "{reason}\n{}", site.logs());
        let (ended, next) = (run["endedMs"].as_i64(), run["nextStartMs"].as_i64());
        let (ended, next) = (ended.context("ended")?, next.context("there is a next start")?);
        ensure!(next - ended == pause, "{pause} ms: {run:#}");
    }
    let events = api.get(&format!("{JOB}/events?limit=200")).await?.is(200)?.json;
    ensure!(events.to_string().contains("out of memory"), "nobody was told: {events:#}");

    api.put(JOB, &job(2)).await?.is(200)?;
    api.reaches("greedy", "running").await.with_context(|| site.logs())?;
    let written = "SELECT w FROM raw.greedy";
    let rows =
        eventually("the row", async || Ok(api.sql(written).await?.filter(|rows| !rows.is_empty())));
    assert_eq!(rows.await.with_context(|| site.logs())?, [json!({ "w": "01234567890123456789" })]);
    platform.stop().await
}
