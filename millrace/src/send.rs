//! Events on their way in, as a producer of the platform sends them: by Kafka or by HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, StatusCode};

use millrace_bus::{KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Header, ID_HEADER, Outgoing, ReplayEvent, Transport};

/// Events sent at once, by either way.
pub(crate) const CHUNK: usize = 2_000;
/// How often a request that was told to come back does so.
const ATTEMPTS: u32 = 50;
/// Until a stream that was declared a moment ago takes events.
const SHOWS_UP: Duration = Duration::from_millis(100);
/// Bytes in flight to the broker, and how long a record waits for company.
const QUEUE_BYTES: usize = 32 << 20;
const LINGER: Duration = Duration::from_millis(5);

/// The way by Kafka.
pub(crate) struct ByKafka(Producer);

impl ByKafka {
    pub(crate) fn new(kafka: &KafkaSettings) -> anyhow::Result<Self> {
        let limits = ProducerLimits { queue_bytes: QUEUE_BYTES, linger: LINGER };
        Ok(Self(Producer::new(kafka, limits)?))
    }

    /// Returns when all of `events` are acknowledged.
    pub(crate) async fn send(&self, events: Vec<ReplayEvent>) -> anyhow::Result<()> {
        let mut events = events.into_iter().map(record);
        loop {
            let records: Vec<_> = events.by_ref().take(CHUNK).collect();
            if records.is_empty() {
                return Ok(());
            }
            for result in self.0.send(records).await {
                result.context("send events")?;
            }
        }
    }
}

fn record(event: ReplayEvent) -> Outgoing {
    Outgoing {
        topic: event.stream.into(),
        partition: None,
        key: Some(Bytes::from(event.key)),
        value: Some(Bytes::from(event.json)),
        headers: vec![Header { name: ID_HEADER.into(), value: Some(Bytes::from(event.id)) }],
        // Not the event's: Kafka would delete records of long ago.
        timestamp_ms: None,
    }
}

/// The way by HTTP.
pub(crate) struct ByHttp {
    client: Client,
    base: String,
    token: Option<String>,
}

impl ByHttp {
    /// To the platform that listens on `http`; on loopback no token is needed.
    pub(crate) fn new(http: SocketAddr, token: Option<String>) -> Self {
        Self { client: Client::new(), base: format!("http://{http}/v1"), token }
    }

    /// Returns when all of `events`, in any order of streams, are acknowledged.
    pub(crate) async fn send(&self, events: &[ReplayEvent]) -> anyhow::Result<()> {
        for chunk in events.chunks(CHUNK) {
            let mut streams: Vec<(&str, Vec<u8>, usize)> = Vec::new();
            for event in chunk {
                let known = streams.iter().position(|(stream, ..)| *stream == event.stream);
                let at = known.unwrap_or(streams.len());
                if known.is_none() {
                    streams.push((event.stream, Vec::new(), 0));
                }
                streams[at].1.extend_from_slice(&event.json);
                streams[at].1.push(b'\n');
                streams[at].2 += 1;
            }
            for (stream, body, count) in streams {
                self.post(stream, Bytes::from(body), count).await?;
            }
        }
        Ok(())
    }

    async fn post(&self, stream: &str, body: Bytes, events: usize) -> anyhow::Result<()> {
        let url = format!("{}/streams/{stream}/events", self.base);
        for _ in 0..ATTEMPTS {
            let mut request = self.client.post(&url).body(body.clone());
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let request = request.header(CONTENT_TYPE, "application/x-ndjson");
            let answer = request.send().await.with_context(|| format!("send {stream}"))?;
            let wait = match answer.status() {
                StatusCode::NOT_FOUND => SHOWS_UP,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let after = answer.headers().get(RETRY_AFTER);
                    let seconds = after.and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(1);
                    Duration::from_secs(seconds)
                }
                status => {
                    let text = answer.text().await?;
                    ensure!(status == StatusCode::ACCEPTED, "{url} answered {status}: {text}");
                    let answer: serde_json::Value = serde_json::from_str(&text)?;
                    ensure!(answer["accepted"] == events, "{url} took less than was sent: {text}");
                    return Ok(());
                }
            };
            tokio::time::sleep(wait).await;
        }
        bail!("{url} told us {ATTEMPTS} times to come back later")
    }
}
