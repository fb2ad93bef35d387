//! What is sent, and only what an earlier run did not send: the recorded impressions by Kafka and clicks
//! by HTTP, and generated playback of what was clicked.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use arrow::array::AsArray;
use arrow::datatypes::DataType;
use bytes::Bytes;

use millrace_bus::{Producer, ProducerLimits};
use millrace_events::{Header, ID_HEADER, OpenBandit, Outgoing, ReplayEvent, Transport};
use millrace_generate::playback::{Playback, PlaybackSettings, clicked};
use millrace_spaas::sql::SqlEngine;

use super::Scene;
use super::api::Api;

/// Events sent at once, by either way.
const CHUNK: usize = 5_000;
/// What the generated sessions are drawn from.
const SEED: u64 = 2019;
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
pub(super) async fn replay(scene: &Scene) -> anyhow::Result<BTreeMap<String, Sent>> {
    let limits = ProducerLimits { queue_bytes: QUEUE_BYTES, linger: LINGER };
    let producer = Producer::new(&scene.kafka, limits)?;
    let mut streams: BTreeMap<&'static str, Vec<ReplayEvent>> = BTreeMap::new();
    let mut plays = Vec::new();
    for event in OpenBandit::bundled()? {
        let event = event?;
        plays.extend(clicked(&event));
        streams.entry(event.stream).or_default().push(event);
    }
    let settings = PlaybackSettings { seed: SEED, ..PlaybackSettings::default() };
    for event in Playback::new(settings, plays) {
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
            by_http(&scene.api, stream, &missing).await?;
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

async fn by_http(api: &Api, stream: &str, events: &[ReplayEvent]) -> anyhow::Result<()> {
    for chunk in events.chunks(CHUNK) {
        let mut body = Vec::new();
        for event in chunk {
            body.extend_from_slice(&event.json);
            body.push(b'\n');
        }
        api.emit(stream, Bytes::from(body), chunk.len()).await?;
    }
    Ok(())
}
