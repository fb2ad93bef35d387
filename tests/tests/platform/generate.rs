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

/// (member, title, stars, seconds): made up, in the format of MovieLens, not in order of time.
const RATINGS: &str = "2\t30\t5\t880606923\n1\t10\t4\t880606000\n2\t10\t1\t880610523\n";

async fn playback(options: &[&str]) -> Result<std::process::Output> {
    let mut command = Command::new(millrace_binary());
    Ok(command.args(["generate", "playback"]).args(options).output().await?)
}

/// Time, member and title of each `start` that is printed.
async fn starts(options: &[&str]) -> Result<BTreeSet<(String, i64, i64)>> {
    let output = playback(options).await?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {err}", output.status);
    let mut starts = BTreeSet::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        if event["event_type"] == "start" {
            let number = |column: &str| event[column].as_i64().context("a number");
            let at = event["event_time"].as_str().context("a time")?.to_owned();
            starts.insert((at, number("member_id")?, number("title_id")?));
        }
    }
    Ok(starts)
}

#[tokio::test]
async fn ratings_are_played_when_they_were_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("u.data");
    std::fs::write(&path, RATINGS)?;
    let path = path.display().to_string();
    let ratings = ["--stream", "playback", "--ratings", &path];
    let play = |at: &str, member, title| (format!("1997-11-27T{at}.000Z"), member, title);
    let [a, b, c] = [play("04:46:40", 1, 10), play("05:02:03", 2, 30), play("06:02:03", 2, 10)];
    let of = |plays: [&(String, i64, i64); 2]| BTreeSet::from(plays.map(Clone::clone));
    ensure!(starts(&ratings).await? == BTreeSet::from([a.clone(), b.clone(), c.clone()]));
    let good = starts(&[&ratings[..], &["--least-stars", "4"]].concat()).await?;
    ensure!(good == of([&a, &b]), "{good:?}");
    let part = ["--start", "1997-11-27T05:00:00Z", "--for", "2h"];
    let part = starts(&[&ratings[..], &part].concat()).await?;
    ensure!(part == of([&b, &c]), "{part:?}");

    for (option, value) in [("--members", "5"), ("--titles", "5"), ("--rate", "5")] {
        let output = playback(&[&ratings[..], &[option, value]].concat()).await?;
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && err.contains(option), "{option}: {err}");
    }
    let alone = playback(&["--least-stars", "4"]).await?;
    ensure!(!alone.status.success(), "stars of no ratings");
    std::fs::write(folder.path().join("u.data"), format!("{RATINGS}1\tx\t5\t880606000\n"))?;
    let output = playback(&ratings).await?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && err.contains("u.data:4: cannot read movieId `x`"), "{err}");
    ensure!(output.stdout.is_empty(), "nothing is printed of a file with mistakes");
    std::fs::write(folder.path().join("u.data"), "")?;
    let output = playback(&ratings).await?;
    ensure!(!output.status.success(), "there is nothing to play");
    Ok(())
}
