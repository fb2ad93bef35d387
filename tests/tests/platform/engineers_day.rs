//! A data engineer's day, over HTTP only; at its end the tables are exact.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use millrace_bus::KafkaSettings;
use millrace_tests::{Api, Millrace, Site, eventually};

const JOB: &str = "/namespaces/default/jobs/plays";
const ARCHIVE: &str = "SELECT event_id FROM plays_archive";

/// Event `n`: titles go around, times advance by a second.
fn event(n: u64) -> Value {
    json!({
        "event_id": format!("e{n:06}"),
        "event_time": 1_700_000_000_000_u64 + n * 1_000,
        "title": format!("t{}", n % 7),
        "seconds": n % 100,
    })
}

fn stream() -> Value {
    json!({
        "kind": "Stream",
        "metadata": { "name": "plays" },
        "spec": {
            "format": "json", "key": "title", "id": "event_id", "partitions": 3,
            "event_time": { "column": "event_time", "delay": "1s", "idle": "1s" },
            "columns": [
                { "name": "event_id", "type": "string" },
                { "name": "event_time", "type": "timestamp_ms", "required": true },
                { "name": "title", "type": "string", "required": true },
                { "name": "seconds", "type": "int64", "required": true },
            ],
        },
    })
}

/// The job: every event into a table, seconds per title into a feed.
fn job(group: &str, least: u64) -> Value {
    let sql = format!(
        "INSERT INTO plays_archive SELECT event_id, title, seconds FROM plays WHERE seconds >= {least};\n\
         INSERT INTO plays_by_title SELECT {group}, COUNT(*) AS plays, SUM(seconds) AS total \
         FROM plays GROUP BY {group};"
    );
    json!({
        "kind": "Job",
        "metadata": { "name": "plays" },
        "spec": { "sql": sql, "checkpoint": { "interval": "300ms" } },
    })
}

struct Day {
    api: Api,
    sent: u64,
    /// Ids that the archive must hold.
    archived: Vec<String>,
}

impl Day {
    /// Sends `count` more events, of which those with at least `least` seconds are archived.
    async fn emit(&mut self, count: u64, least: u64) -> Result<()> {
        let range = self.sent..self.sent + count;
        let events: Vec<_> = range.clone().map(event).collect();
        self.api.emit("plays", &events).await?;
        self.sent = range.end;
        let kept = events.iter().filter(|e| e["seconds"].as_u64() >= Some(least));
        self.archived.extend(kept.filter_map(|e| e["event_id"].as_str()).map(str::to_owned));
        Ok(())
    }

    /// Waits until the archive holds what it must, and fails if it holds anything else.
    async fn archive_is_exact(&self) -> Result<()> {
        let mut ids = eventually("the archive", async || {
            let rows = self.api.sql(ARCHIVE).await?.unwrap_or_default();
            Ok((rows.len() >= self.archived.len()).then_some(rows))
        })
        .await?
        .iter()
        .filter_map(|row| row["event_id"].as_str().map(str::to_owned))
        .collect::<Vec<_>>();
        ids.sort();
        ensure!(ids == self.archived, "{} rows instead of {}", ids.len(), self.archived.len());
        Ok(())
    }

    /// Seconds per title over all events sent.
    fn totals(&self) -> BTreeMap<String, (u64, u64)> {
        let mut totals = BTreeMap::new();
        for n in 0..self.sent {
            let total: &mut (u64, u64) = totals.entry(format!("t{}", n % 7)).or_default();
            *total = (total.0 + 1, total.1 + n % 100);
        }
        totals
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engineers_day_ends_with_exact_tables() -> Result<()> {
    let site = Site::empty()?;
    let real = std::env::var("MILLRACE_TEST_KAFKA").ok().map(KafkaSettings::plain);
    let mut process = site.up(real.as_ref())?;
    let told = day(&site, &mut process).await;
    let ended = process.stop().await;
    told.with_context(|| site.logs())?;
    ended.with_context(|| site.logs())
}

async fn day(site: &Site, process: &mut Millrace) -> Result<()> {
    let run = process.ready().await?;
    let http = run["http"].as_str().context("an address")?;
    let api = Api::admin(&site.path("data"), http)?;
    let mut day = Day { api: api.clone(), sent: 0, archived: Vec::new() };

    // Declare a stream, first to see what would happen.
    let path = "/namespaces/default/streams/plays";
    api.put(&format!("{path}?dry_run=true"), &stream()).await?.is(200)?;
    api.get(path).await?.is(404)?;
    api.put(path, &stream()).await?.is(201)?;
    day.emit(200, 0).await?;

    // A query with a typo: the answer says where and what to write.
    let wrong = json!({ "sql": "INSERT INTO a\nSELECT event_id, titel FROM plays" });
    let answer = api.post("/namespaces/default/jobs/-/validate", &wrong).await?;
    let answer = answer.is_problem(400, "sql-invalid")?;
    let mistake = &answer.json["errors"][0];
    ensure!(mistake["line"] == 2 && mistake["column"] == 18, "{mistake:#}");
    ensure!(mistake.to_string().contains("title"), "{mistake:#}");

    // Look at what it would do, then deploy.
    let sample = api.post("/namespaces/default/jobs/-/sample?events=50", &job("title", 0)).await?;
    let sample = sample.is(200)?;
    let by_title = sample.json.as_array().context("rows by sink")?;
    ensure!(by_title.iter().any(|sink| !sink["rows"].as_array().is_none_or(Vec::is_empty)));
    api.put(JOB, &job("title", 0)).await?.is(201)?;
    api.reaches("plays", "running").await?;
    day.archive_is_exact().await?;

    changes(&mut day).await?;
    what_runs_is_judged_before_its_first_checkpoint(&api).await?;

    // The feed adds up over everything that was ever sent.
    day.emit(100, 0).await?;
    day.archive_is_exact().await?;
    feed_adds_up(&day, run["kafka"].as_str().context("a broker")?).await?;
    let versions = api.get(&format!("{JOB}/versions")).await?.is(200)?;
    ensure!(versions.json["items"].as_array().is_some_and(|v| v.len() == 2), "{:#}", versions.json);
    api.delete(JOB).await?.is(202)?;
    eventually("the job is gone", async || Ok((api.get(JOB).await?.status == 404).then_some(())))
        .await
}

/// Upgrade, refusal, rollback, rescale, stop with savepoint, resume.
async fn changes(day: &mut Day) -> Result<()> {
    let api = day.api.clone();
    api.put(JOB, &job("title", 50)).await?.is(200)?;
    api.reaches("plays", "running").await?;
    day.emit(300, 50).await?;
    day.archive_is_exact().await?;

    // Another key cannot be computed from the state there is.
    let refused = api.put(JOB, &job("seconds", 50)).await?;
    refused.is_problem(409, "state-incompatible")?;
    let status = api.reaches("plays", "running").await?;
    ensure!(status["status"]["observedGeneration"] == 2, "{status:#}");

    api.post(&format!("{JOB}/rollback"), &json!({ "generation": 1 })).await?.is(202)?;
    api.reaches("plays", "running").await?;
    day.emit(150, 0).await?;
    day.archive_is_exact().await?;

    api.post(&format!("{JOB}/rescale"), &json!({ "parallelism": 2 })).await?.is(202)?;
    api.reaches("plays", "running").await?;
    day.emit(150, 0).await?;
    day.archive_is_exact().await?;

    api.post(&format!("{JOB}/stop"), &json!({ "savepoint": true })).await?.is(202)?;
    api.reaches("plays", "stopped").await?;
    let savepoints = api.get(&format!("{JOB}/savepoints")).await?.is(200)?;
    ensure!(savepoints.json["items"][0]["state"]["kind"] == "complete", "{:#}", savepoints.json);
    day.emit(50, 0).await?;
    api.post(&format!("{JOB}/resume"), &json!({})).await?.is(202)?;
    api.reaches("plays", "running").await?;
    day.archive_is_exact().await
}

/// There is no state to look at yet, but there will be when the run stops.
async fn what_runs_is_judged_before_its_first_checkpoint(api: &Api) -> Result<()> {
    let path = "/namespaces/default/jobs/early";
    let early = |group: &str| {
        let sql =
            format!("INSERT INTO early SELECT {group}, COUNT(*) AS n FROM plays GROUP BY {group}");
        let spec = json!({ "sql": sql, "checkpoint": { "interval": "1h" } });
        json!({ "kind": "Job", "metadata": { "name": "early" }, "spec": spec })
    };
    api.put(path, &early("title")).await?.is(201)?;
    api.reaches("early", "running").await?;
    api.put(path, &early("seconds")).await?.is_problem(409, "state-incompatible")?;
    api.put(&format!("{path}?fresh_state=true"), &early("seconds")).await?.is(200)?;
    api.reaches("early", "running").await?;
    api.delete(path).await?.is(202)?;
    Ok(())
}

async fn feed_adds_up(day: &Day, kafka: &str) -> Result<()> {
    let wanted = day.totals();
    let settings = KafkaSettings::plain(kafka);
    eventually("the feed", async || {
        let feed = millrace_tests::latest_by_key(&settings, "plays_by_title").await?;
        let got: BTreeMap<String, (u64, u64)> = feed
            .values()
            .filter_map(|row| {
                let title = row["title"].as_str()?.to_owned();
                Some((title, (row["plays"].as_u64()?, row["total"].as_u64()?)))
            })
            .collect();
        Ok((got == wanted).then_some(()))
    })
    .await
}
