//! The replay: impressions by Kafka, clicks by HTTP, and only what an earlier run did not send.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use arrow::array::AsArray;
use arrow::datatypes::DataType;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use millrace_bus::{Producer, ProducerLimits};
use millrace_events::{Header, ID_HEADER, OpenBandit, Outgoing, ReplayEvent, Transport};
use millrace_spaas::sql::SqlEngine;

use super::Scene;

/// Events sent at once, by either way.
const CHUNK: usize = 5_000;
/// How often a request that was told to come back does so.
const ATTEMPTS: u32 = 20;
/// Until a stream that was declared takes events.
const SHOWS_UP: Duration = Duration::from_millis(100);
/// Bytes in flight to the broker, and how long a record waits for company.
const QUEUE_BYTES: usize = 16 << 20;
const LINGER: Duration = Duration::from_millis(5);

/// What went into one stream.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Events of the stream, in all runs.
    pub(crate) total: u64,
    /// Events sent by this run.
    pub(crate) now: u64,
    /// How.
    pub(crate) by: &'static str,
    pub(crate) took: Duration,
}

/// Sends what is missing of the bundled data; returns when the broker has acknowledged all of it.
pub(super) async fn replay(scene: &Scene<'_>) -> anyhow::Result<BTreeMap<String, Sent>> {
    let limits = ProducerLimits { queue_bytes: QUEUE_BYTES, linger: LINGER };
    let producer = Producer::new(&scene.kafka, limits)?;
    let mut streams: BTreeMap<&'static str, Vec<ReplayEvent>> = BTreeMap::new();
    for event in OpenBandit::bundled()? {
        let event = event?;
        streams.entry(event.stream).or_default().push(event);
    }
    let mut sent = BTreeMap::new();
    for (stream, events) in streams {
        let there = ids(&scene.engine, stream).await?;
        let total = events.len() as u64;
        let missing: Vec<_> = events.into_iter().filter(|e| !there.contains(&e.id)).collect();
        let (now, started) = (missing.len() as u64, Instant::now());
        let by = if stream == "clicks" { "HTTP" } else { "Kafka" };
        if by == "HTTP" {
            by_http(scene, stream, &missing).await?;
        } else {
            by_kafka(&producer, missing).await?;
        }
        sent.insert(stream.to_owned(), Sent { total, now, by, took: started.elapsed() });
    }
    Ok(sent)
}

/// Ids that are in the stream's table already.
async fn ids(engine: &SqlEngine, stream: &str) -> anyhow::Result<HashSet<String>> {
    let sql = format!("SELECT event_id FROM raw.{stream}");
    let mut ids = HashSet::new();
    for batch in engine.run(&sql).await?.collect_all().await? {
        let texts = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
        ids.extend(texts.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(ids)
}

async fn by_kafka(producer: &Producer, events: Vec<ReplayEvent>) -> anyhow::Result<()> {
    let mut records = Vec::with_capacity(CHUNK.min(events.len()));
    for event in events {
        let id = Header { name: ID_HEADER.into(), value: Some(Bytes::from(event.id)) };
        records.push(Outgoing {
            topic: event.stream.into(),
            partition: None,
            key: Some(Bytes::from(event.key)),
            value: Some(Bytes::from(event.json)),
            headers: vec![id],
            // Not the event's: Kafka would delete records of years ago.
            timestamp_ms: None,
        });
        if records.len() == CHUNK {
            send(producer, std::mem::take(&mut records)).await?;
        }
    }
    send(producer, records).await
}

async fn send(producer: &Producer, records: Vec<Outgoing>) -> anyhow::Result<()> {
    for result in producer.send(records).await {
        result.context("send impressions")?;
    }
    Ok(())
}

async fn by_http(scene: &Scene<'_>, stream: &str, events: &[ReplayEvent]) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let url = format!("http://{}/v1/streams/{stream}/events", scene.plane.http);
    let token = std::fs::read_to_string(scene.data.join("admin.token"))?;
    for chunk in events.chunks(CHUNK) {
        let mut body = Vec::new();
        for event in chunk {
            body.extend_from_slice(&event.json);
            body.push(b'\n');
        }
        post(&client, (&url, token.trim()), Bytes::from(body), chunk.len()).await?;
    }
    Ok(())
}

async fn post(
    client: &reqwest::Client,
    (url, token): (&str, &str),
    body: Bytes,
    events: usize,
) -> anyhow::Result<()> {
    for _ in 0..ATTEMPTS {
        let request =
            client.post(url).bearer_auth(token).header(CONTENT_TYPE, "application/x-ndjson");
        let answer = request.body(body.clone()).send().await.context("send clicks")?;
        let status = answer.status();
        if status == StatusCode::NOT_FOUND {
            // Declared a moment ago.
            tokio::time::sleep(SHOWS_UP).await;
            continue;
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
            let wait =
                answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
            continue;
        }
        let text = answer.text().await?;
        ensure!(status == StatusCode::ACCEPTED, "{url} answered {status}: {text}");
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        ensure!(answer["accepted"] == events, "{url} took less than was sent: {text}");
        return Ok(());
    }
    bail!("{url} told us {ATTEMPTS} times to come back later")
}
