//! Events sent over HTTP and Kafka are found by SQL, each once, over a restart too.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use millrace_bus::KafkaSettings;
use millrace_tests::{
    Acked, EventMaker, Fate, KafkaWriter, Millrace, Planned, Site, eventually, manifests, unique,
};

const TABLE: &str = "raw.plays";

/// A running platform and the ways into it.
struct Platform {
    process: Millrace,
    http: String,
    kafka: KafkaSettings,
}

impl Platform {
    /// On the real Kafka that `MILLRACE_TEST_KAFKA` names, or on the embedded broker.
    async fn start(site: &Site) -> Result<Self> {
        let real = std::env::var("MILLRACE_TEST_KAFKA").ok().map(KafkaSettings::plain);
        let mut process = site.up(real.as_ref())?;
        let run = process.ready().await?;
        let text = |name: &str| run[name].as_str().map(str::to_owned).context("run.json");
        let http = format!("http://{}", text("http")?);
        Ok(Self { process, http, kafka: KafkaSettings::plain(text("kafka")?) })
    }

    /// Posts a body to a stream; the answer must be `status`.
    async fn post(&self, stream: &str, kind: &str, body: String, status: u16) -> Result<Value> {
        let url = format!("{}/v1/streams/{stream}/events", self.http);
        let request = reqwest::Client::new().post(url).header("content-type", kind).body(body);
        let answer = request.send().await?;
        let got = answer.status().as_u16();
        let text = answer.text().await?;
        ensure!(got == status, "{got} instead of {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The ids in the table, by SQL over HTTP.
    async fn ids(&self) -> Result<Option<Vec<String>>> {
        let query = json!({ "sql": format!("SELECT event_id FROM {TABLE}") });
        let url = format!("{}/v1/sql", self.http);
        let request = reqwest::Client::new().post(url).header("content-type", "application/json");
        let answer = request.body(query.to_string()).send().await?;
        // Before its first commit the table is not there, which is the client's mistake.
        if answer.status().is_client_error() {
            return Ok(None);
        }
        let rows: Value = answer.error_for_status()?.json().await?;
        let rows = rows.get("rows").unwrap_or(&rows).as_array().context("rows are a list")?.clone();
        let id = |row: &Value| {
            row.get("event_id").or_else(|| row.get(0)).and_then(Value::as_str).map(str::to_owned)
        };
        Ok(Some(rows.iter().filter_map(id).collect()))
    }

    async fn will_answer(&self, acked: &Acked) -> Result<()> {
        let ids = eventually("the rows by SQL", async || {
            let ids = self.ids().await?.unwrap_or_default();
            Ok((ids.len() >= acked.written.len()).then_some(ids))
        })
        .await?;
        acked.must_be(&ids)
    }
}

fn lines(events: &[Planned]) -> String {
    events.iter().map(|event| String::from_utf8_lossy(&event.value).into_owned() + "\n").collect()
}

fn cloud_event(event: &Planned) -> Value {
    let data: Value = serde_json::from_slice(&event.value).expect("good events are JSON");
    json!({ "specversion": "1.0", "id": event.id, "source": "/tests", "type": "play",
            "datacontenttype": "application/json", "data": data })
}

fn acknowledged(events: &[Planned]) -> Acked {
    assert!(events.iter().all(|event| event.fate == Fate::Written), "these are sent over HTTP");
    let written: BTreeSet<_> = events.iter().map(|event| event.id.clone()).collect();
    Acked { written, ..Acked::default() }
}

/// Sends through every door and returns what was acknowledged.
async fn send(platform: &Platform, name: &str, seed: u64) -> Result<Acked> {
    let mut good = EventMaker::all_good(&format!("{name}-http-{seed}"), seed);
    let mut acked = Acked::default();
    let events = good.take(120);
    platform.post(name, "application/x-ndjson", lines(&events), 202).await?;
    acked.merge(acknowledged(&events));

    let events = good.take(80);
    let batch: Vec<_> = events.iter().map(cloud_event).collect();
    let kind = "application/cloudevents-batch+json";
    platform.post(name, kind, json!(batch).to_string(), 202).await?;
    acked.merge(acknowledged(&events));

    let events = good.take(1);
    let body = cloud_event(&events[0]).to_string();
    platform.post(name, "application/cloudevents+json", body, 202).await?;
    acked.merge(acknowledged(&events));

    let writer = KafkaWriter::open(&platform.kafka, name, 2).await?;
    let events = EventMaker::new(&format!("{name}-kafka-{seed}"), seed).take(300);
    acked.merge(writer.write(&events).await?);
    Ok(acked)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_found_by_sql_once_and_stays_so_over_a_restart() -> Result<()> {
    // On a shared broker nobody else may use the topic.
    let name = unique("plays");
    let site = Site::new(&manifests(&name, "plays", 2))?;
    let mut acked = Acked::default();
    for seed in [10, 11] {
        let platform = Platform::start(&site).await?;
        acked.merge(send(&platform, &name, seed).await?);
        platform.will_answer(&acked).await.with_context(|| site.logs())?;
        platform.process.stop().await?;
        let tables = site.tables().await?;
        tables.must_hold(TABLE, &name, &acked).await?;
        ensure!(tables.dead_letters(&name).await? == acked.dead, "dead letters");
        site.audit().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_so_and_leaves_no_trace() -> Result<()> {
    let name = unique("plays");
    let site = Site::new(&manifests(&name, "plays", 2))?;
    let platform = Platform::start(&site).await?;
    let good = EventMaker::all_good(&name, 12).take(3);
    let json = "application/x-ndjson";
    platform.post("no-such-stream", json, lines(&good), 404).await?;
    platform.post(&name, "application/cloudevents+json", "{".into(), 400).await?;
    platform.post(&name, json, lines(&good), 202).await?;
    let acked = acknowledged(&good);
    platform.will_answer(&acked).await.with_context(|| site.logs())?;
    platform.process.stop().await?;
    site.tables().await?.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}
