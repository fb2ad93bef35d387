//! A log that does what the test says, and requests against the endpoint.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use millrace_events::{
    Budget, Column, ColumnType, EventTime, Outgoing, SendError, StreamSchema, Transport,
};
use millrace_spaas::ingest::{IngestLimits, IngestSettings, StreamSet, router};
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt;

pub(crate) const EVENTS: &str = "/v1/streams/playback/events";
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
pub(crate) const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
pub(crate) const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");

type Verdict = dyn Fn(&Outgoing) -> Result<(), SendError> + Send + Sync;

/// Keeps what it acknowledges.
pub(crate) struct Log {
    verdict: Box<Verdict>,
    /// One permit lets one call through.
    pub(crate) gate: Option<Semaphore>,
    /// One permit for each call that arrived.
    pub(crate) arrived: Semaphore,
    records: Mutex<Vec<Outgoing>>,
}

impl Log {
    pub(crate) fn accepting() -> Self {
        Self::deciding(|_| Ok(()))
    }

    pub(crate) fn deciding(
        verdict: impl Fn(&Outgoing) -> Result<(), SendError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            verdict: Box::new(verdict),
            gate: None,
            arrived: Semaphore::new(0),
            records: Mutex::default(),
        }
    }

    pub(crate) fn gated() -> Self {
        Self { gate: Some(Semaphore::new(0)), ..Self::accepting() }
    }

    pub(crate) fn open_gate(&self) {
        self.gate.as_ref().expect("a gated log").add_permits(1);
    }

    pub(crate) async fn call_arrived(&self) {
        self.arrived.acquire().await.expect("never closed").forget();
    }

    pub(crate) fn records(&self) -> Vec<Outgoing> {
        self.records.lock().expect("no test panics with it").clone()
    }
}

#[async_trait]
impl Transport for Log {
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        self.arrived.add_permits(1);
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("never closed").forget();
        }
        let verdicts: Vec<_> = records.iter().map(|r| (self.verdict)(r)).collect();
        let kept = records.into_iter().zip(&verdicts).filter(|(_, v)| v.is_ok()).map(|(r, _)| r);
        self.records.lock().expect("no test panics with it").extend(kept);
        verdicts
    }
}

/// A stream keyed by member, with an id and an event time.
pub(crate) fn schema() -> StreamSchema {
    let column =
        |name: &str, data_type, required| Column { name: name.to_owned(), data_type, required };
    let time = EventTime { column: "at".to_owned(), delay: Duration::ZERO, idle: Duration::ZERO };
    StreamSchema {
        name: "playback".parse().expect("a name"),
        topic: "events.playback".to_owned(),
        partitions: 1,
        key: Some("member".to_owned()),
        id: Some("event_id".to_owned()),
        event_time: Some(time),
        columns: vec![
            column("event_id", ColumnType::String, false),
            column("at", ColumnType::TimestampMs, false),
            column("member", ColumnType::Int64, true),
            column("title", ColumnType::String, false),
        ],
    }
}

/// The endpoint over a log.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) log: Arc<Log>,
    pub(crate) budget: Budget,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl App {
    pub(crate) fn new(log: Log) -> Self {
        Self::with(log, IngestLimits::default(), 64 << 20)
    }

    pub(crate) fn with(log: Log, limits: IngestLimits, budget: usize) -> Self {
        let (log, budget) = (Arc::new(log), Budget::new("ingest", budget));
        let settings = IngestSettings { limits, ..IngestSettings::new(budget.clone()) };
        let streams = [("playback".parse().expect("a name"), Arc::new(schema()))].into();
        let transport: Arc<dyn Transport> = log.clone();
        let streams = StreamSet::new(&settings.limits, streams);
        Self { router: router(settings, transport, streams), log, budget }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, json }
    }

    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::post(EVENTS);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }
}

impl Reply {
    /// Checks that it is a problem document of this status and kind.
    pub(crate) fn is_problem(&self, status: u16, kind: &str) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.json["type"], format!("urn:millrace:problem:{kind}"), "{}", self.json);
        assert_eq!(self.json["status"], status);
        self
    }

    pub(crate) fn retry_after(&self) -> u64 {
        let value = self.headers["retry-after"].to_str().expect("text");
        value.parse().expect("whole seconds")
    }
}

/// Names and values of a record's headers.
pub(crate) fn headers_of(record: &Outgoing) -> Vec<(String, String)> {
    let text = |v: &[u8]| String::from_utf8(v.to_vec()).expect("UTF-8");
    let value = |h: &millrace_events::Header| h.value.as_deref().map(text).unwrap_or_default();
    record.headers.iter().map(|h| (h.name.clone(), value(h))).collect()
}

/// A record's value as text.
pub(crate) fn value_of(record: &Outgoing) -> String {
    String::from_utf8(record.value.as_ref().expect("a value").to_vec()).expect("UTF-8")
}
