//! The commands a person types: demo, emit, sql, dead-letters, validate, schema.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use millrace_bus::KafkaSettings;
use millrace_tests::{
    Acked, EventMaker, Fate, Site, Tables, eventually, manifests, millrace_binary, unique,
};

/// `MILLRACE_TEST_KAFKA`, or nothing for the embedded broker.
fn real_kafka() -> Option<KafkaSettings> {
    std::env::var("MILLRACE_TEST_KAFKA").ok().map(KafkaSettings::plain)
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeded(output: &Output) -> Result<String> {
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{}{err}", output.status, out(output));
    Ok(out(output))
}

async fn ids(tables: &Tables, table: &str, count: usize) -> Result<Vec<String>> {
    let mut ids = eventually(&format!("{count} rows in {table}"), async || {
        let ids = tables.ids(table).await?;
        Ok((ids.len() >= count).then_some(ids))
    })
    .await?;
    ids.sort();
    Ok(ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_reports_the_real_click_through_rates_and_a_balanced_audit() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let demo = |verb: &[&str]| {
        let mut command = Command::new(millrace_binary());
        command.args(verb).arg("--data").arg(folder.path());
        command
    };
    let first = succeeded(&demo(&["demo"]).output().await?)?;
    for expected in [
        "impressions   40000 events by Kafka",
        "clicks          195 events by HTTP",
        "playback       5637 events by Kafka",
        "| uniform-log | 40000     | 20000   | 20000    | 0             | 0        | true    |",
        "45832 events acknowledged, 9 ledgers, all add up",
        "  all       bts            10000     42        42.0    31.1 to 56.7    the same",
        "  all       random         10000     38        38.0    27.7 to 52.1    the same",
        "  men       bts            10000     69        69.0    54.6 to 87.2    the same",
        "  men       random         10000     46        46.0    34.5 to 61.3    the same",
        // As `millrace ope` has it, which is held to the package obp.
        "  ips                   45.6   4.6 to 86.6",
        "  dr                    48.7   7.9 to 89.5",
        "  as it was             42.0   29.3 to 54.7",
        "  continue watching    Item ",
        "  top 10               Item ",
        "(rung: personal) came back: ",
        // Five real addresses, by how near the appliances are that serve them.
        " prefix    ",
        " as        ",
        " anywhere  ",
        "  as a player gets it: https://",
    ] {
        ensure!(first.contains(expected), "{expected:?} is missing in\n{first}");
    }
    let from = first.find("Who serves file").context("steering answers")?;
    let clients = first[from..].lines().skip(1).take_while(|line| !line.contains("https"));
    ensure!(clients.count() == 5, "five clients in\n{first}");
    ensure!(first.matches("millrace sql --data").count() == 6, "six queries to try");
    // A second run finds everything there and doubles nothing.
    let second = succeeded(&demo(&["demo"]).output().await?)?;
    ensure!(second.contains("(40000 were there already)"), "{second}");
    ensure!(second.contains("45832 events acknowledged, 9 ledgers, all add up"), "{second}");
    // And what the page of the first run showed, which the job counts as the tables do.
    let home = second.lines().find(|line| line.starts_with("  home      thompson"));
    ensure!(home.is_some_and(|line| line.ends_with("the same")), "{second}");
    ensure!(second.matches("the same").count() == 5, "{second}");
    succeeded(&demo(&["audit"]).output().await?)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn emit_sends_a_file_and_says_which_lines_it_could_not() -> Result<()> {
    let name = unique("emit");
    let site = Site::new(&manifests(&name, "plays", 2))?;
    let mut platform = site.up(real_kafka().as_ref())?;
    platform.ready().await?;
    let events = EventMaker::all_good(&name, 5).take(500);
    let mut lines: Vec<_> =
        events.iter().map(|e| String::from_utf8_lossy(&e.value).into_owned()).collect();
    lines.insert(17, "not an event".into());
    std::fs::write(site.path("events.ndjson"), lines.join("\n"))?;
    let mut emit = Command::new(millrace_binary());
    emit.args(["emit", &name]).arg(site.path("events.ndjson"));
    emit.arg("-f").arg(site.path("manifests")).arg("--data").arg(site.path("data"));
    let output = emit.output().await?;
    ensure!(output.status.code() == Some(3), "{:?}", output.status);
    ensure!(out(&output).starts_with("500 events acknowledged"), "{}", out(&output));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(err.contains("line 18: not a JSON object"), "{err}");
    let written = events.iter().filter(|e| e.fate == Fate::Written).map(|e| e.id.clone()).collect();
    let acked = Acked { written, ..Acked::default() };
    let tables = site.tables().await?;
    tables.will_hold("raw.plays", &acked).await.with_context(|| site.logs())?;

    let sql = "SELECT count(*) AS n FROM raw.plays";
    let csv = succeeded(&site.run(&["sql", sql, "-o", "csv"]).await?)?;
    ensure!(csv == "n\n500\n", "{csv:?}");
    let json: Value =
        serde_json::from_str(&succeeded(&site.run(&["sql", sql, "-o", "json"]).await?)?)?;
    ensure!(json["rows"][0]["n"] == 500, "{json}");
    let parquet = site.run(&["sql", "SELECT * FROM raw.plays", "-o", "parquet"]).await?;
    ensure!(parquet.stdout.starts_with(b"PAR1") && parquet.stdout.ends_with(b"PAR1"), "Parquet");
    let wrong = site.run(&["sql", "SELECT nothing\nFROM raw.plays"]).await?;
    let err = String::from_utf8_lossy(&wrong.stderr).into_owned();
    ensure!(wrong.status.code() == Some(1) && err.contains("line 1, column 8"), "{err}");
    platform.stop().await
}

/// A stream of numbers; route `a` divides by what `divisor` says, route `b` takes all.
fn dividing(name: &str, divisor: &str) -> String {
    format!(
        "kind: Stream
metadata: {{ name: {name} }}
spec:
  format: json
  id: event_id
  partitions: 1
  columns:
    - {{ name: event_id, type: string }}
    - {{ name: n, type: int64 }}
---
kind: Route
metadata: {{ name: {name}-a }}
spec:
  from: {name}
  select: event_id, 100 / ({divisor}) AS share
  to: {{ table: raw.a }}
  roll: {{ every: 100ms, idle: 50ms }}
---
kind: Route
metadata: {{ name: {name}-b }}
spec:
  from: {name}
  to: {{ table: raw.b }}
  roll: {{ every: 100ms, idle: 50ms }}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_dead_letter_reaches_only_the_route_that_refused_it() -> Result<()> {
    let name = unique("replay");
    let kafka = real_kafka();
    let site = Site::new(&dividing(&name, "n"))?;
    let mut platform = site.up(kafka.as_ref())?;
    let run = platform.ready().await?;
    let http = run["http"].as_str().context("an address")?.to_owned();
    let body = "{\"event_id\":\"good\",\"n\":4}\n{\"event_id\":\"poison\",\"n\":0}\n";
    let url = format!("http://{http}/v1/streams/{name}/events");
    let request = reqwest::Client::new().post(url).header("content-type", "application/x-ndjson");
    ensure!(request.body(body).send().await?.status() == 202);
    let tables = site.tables().await?;
    ensure!(ids(&tables, "raw.b", 2).await? == ["good", "poison"]);
    ensure!(ids(&tables, "raw.a", 1).await? == ["good"]);
    let mut metrics = String::new();
    // The router is a process of its own.
    for path in ["metrics", "metrics/system--router"] {
        metrics += &reqwest::get(format!("http://{http}/{path}")).await?.text().await?;
    }
    for metric in [
        "millrace_router_lag_records",
        "millrace_router_events_total",
        "millrace_router_read_bytes_total",
        "millrace_router_decode_errors_total",
        "millrace_router_commit_seconds_count",
        "millrace_budget_used_bytes",
        "process_open_fds",
        "process_resident_memory_bytes",
    ] {
        ensure!(metrics.contains(metric), "{metric} is missing in\n{metrics}");
    }
    platform.stop().await?;

    let list = succeeded(&site.run(&["dead-letters", "list", "-o", "json"]).await?)?;
    let list: Value = serde_json::from_str(&list)?;
    let letter = &list["rows"][0];
    ensure!(list["rows"].as_array().is_some_and(|rows| rows.len() == 1), "{list}");
    ensure!(letter["route"] == format!("{name}-a") && letter["offset"] == 1, "{letter}");
    ensure!(letter["value"] == "{\"event_id\":\"poison\",\"n\":0}", "{letter}");
    ensure!(letter["reason"].as_str().is_some_and(|r| r.contains("ivide by zero")), "{letter}");

    site.manifests(&dividing(&name, "n + 1"))?;
    let mut platform = site.up(kafka.as_ref())?;
    platform.ready().await?;
    let mut replay = vec!["dead-letters", "replay"];
    if let Some(kafka) = &kafka {
        replay.extend(["--kafka", &kafka.bootstrap]);
    }
    let told = succeeded(&site.run(&replay).await?)?;
    ensure!(told.starts_with("1 records appended again"), "{told}");
    ensure!(ids(&tables, "raw.a", 2).await? == ["good", "poison"]);
    platform.stop().await?;
    ensure!(ids(&tables, "raw.b", 2).await? == ["good", "poison"], "route b had it already");
    site.audit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_lists_every_mistake_and_schema_is_json() -> Result<()> {
    let good = manifests("plays", "plays", 1);
    let site = Site::new(&good)?;
    let validate = async || {
        let mut command = Command::new(millrace_binary());
        command.args(["validate", "-f"]).arg(site.path("manifests")).output().await
    };
    succeeded(&validate().await?)?;
    site.manifests(
        &good.replace("partitions:", "partitons:").replace("where: kind", "where: knd"),
    )?;
    let output = validate().await?;
    let text = out(&output);
    ensure!(output.status.code() == Some(3), "{:?}", output.status);
    ensure!(text.contains("all.yaml:8:3: unknown field `partitons`"), "{text}");
    ensure!(text.contains("did you mean `partitions`"), "{text}");
    // The SQL of jobs is looked at as well.
    let job = "---\nkind: Job\nmetadata: { name: kept }\nspec: { sql: INSERT INTO kept SELECT ";
    site.manifests(&format!("{good}{job}event_id FROM plays }}\n"))?;
    let text = succeeded(&validate().await?)?;
    ensure!(text == "1 streams, 1 routes and 1 jobs: no mistakes\n", "{text}");
    site.manifests(&format!("{good}{job}nobody FROM plays }}\n"))?;
    let output = validate().await?;
    ensure!(output.status.code() == Some(3), "{:?}", output.status);
    let text = out(&output);
    ensure!(text.starts_with("job `kept`, SQL: ") && text.contains("nobody"), "{text}");
    let schema = Command::new(millrace_binary()).arg("schema").output().await?;
    let schema: Value = serde_json::from_str(&succeeded(&schema)?)?;
    ensure!(schema["$schema"].as_str().is_some_and(|s| s.contains("json-schema.org")), "{schema}");
    Ok(())
}
