//! Generated events: the same from the same seed, and the same in the tables.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use millrace_tests::{Site, eventually, millrace_binary};

const JOB: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../jobs/oca-health/manifest.yaml"));
const ROUTES: &str = "
---
kind: Route
metadata: { name: reports }
spec: { from: oca_reports, to: { table: raw.reports }, roll: { every: 1s, idle: 100ms } }
---
kind: Route
metadata: { name: errors }
spec: { from: client_errors, to: { table: raw.errors }, roll: { every: 1s, idle: 100ms } }
";

/// A minute of four appliances, however fast.
const MINUTE: [&str; 6] = ["--rate", "0.8", "--for", "60s", "--start", "2026-01-01T00:00:00Z"];

async fn generate(seed: &str, options: &[&str]) -> Result<String> {
    let mut command = Command::new(millrace_binary());
    command.args(["generate", "fleet", "--seed", seed]).args(MINUTE).args(options);
    let output = command.output().await?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {err}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Ids of the events of a stream: all, and each once.
async fn ids(seed: &str, stream: &str) -> Result<(usize, BTreeSet<String>)> {
    let lines = generate(seed, &["--stream", stream]).await?;
    let id = |line: &str| -> Result<String> {
        let event: Value = serde_json::from_str(line)?;
        Ok(event["event_id"].as_str().context("an id")?.to_owned())
    };
    let ids = lines.lines().map(id).collect::<Result<Vec<_>>>()?;
    Ok((ids.len(), ids.into_iter().collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_events_are_those_of_their_seed_wherever_they_go() -> Result<()> {
    let printed = generate("7", &[]).await?;
    ensure!(printed == generate("7", &[]).await?, "the same seed gives the same bytes");
    ensure!(printed != generate("8", &[]).await?, "another seed gives others");
    for line in printed.lines() {
        let line: Value = serde_json::from_str(line)?;
        ensure!(line["stream"].is_string() && line["event"]["event_id"].is_string(), "{line}");
    }

    let (streams, _) = JOB.split_once("---\nkind: Job").context("a job after its streams")?;
    let site = Site::new(&format!("{streams}{ROUTES}"))?;
    let mut platform = site.up(None)?;
    platform.ready().await?;
    let data = site.path("data").display().to_string();
    let to = |way: &'static str| ["--to", way, "--speed", "0", "--data"];
    for (seed, way) in [("7", "kafka"), ("8", "http")] {
        generate(seed, &[&to(way)[..], &[&data]].concat()).await?;
    }
    let tables = site.tables().await?;
    for (stream, table) in [("oca_reports", "raw.reports"), ("client_errors", "raw.errors")] {
        let (first, mut expected) = ids("7", stream).await?;
        let (second, more) = ids("8", stream).await?;
        expected.extend(more);
        let what = format!("all of {stream} in {table}");
        let written = eventually(&what, async || {
            let ids = tables.ids(table).await?;
            Ok((ids.len() >= first + second).then_some(ids))
        });
        let written = written.await.with_context(|| site.logs())?;
        ensure!(written.len() == first + second, "{} events instead of all", written.len());
        ensure!(written.into_iter().collect::<BTreeSet<_>>() == expected, "other ids in {table}");
    }
    platform.stop().await
}
