//! The handler: one request from its first header to its answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::BodyDataStream;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use millrace_events::{Outgoing, Reservation, Transport};

use super::answer::{self, Outcome};
use super::body::{self, Reading};
use super::format::{Form, Format};
use super::rate::{Limiter, client};
use super::record::{self, Parsed, Rules};
use super::settings::IngestSettings;
use super::streams::{Stream, StreamSet};
use millrace_http::problem::Problem;
use millrace_spec::suggest;

/// Metrics of ingest: name, type and labels, meaning.
pub const METRICS: [(&str, &str, &str); 5] = [
    ("millrace_ingest_requests_total", "counter {stream, status}", "Requests answered."),
    (
        "millrace_ingest_events_total",
        "counter {stream, outcome}",
        "Events by outcome: accepted, refused, unknown (not acknowledged in time).",
    ),
    ("millrace_ingest_body_bytes_total", "counter {stream}", "Bytes of bodies, decompressed."),
    ("millrace_ingest_ack_seconds", "histogram {stream}", "Wait for the log's acknowledgement."),
    ("millrace_ingest_rejected_total", "counter {reason}", "Requests refused before parsing."),
];

/// A body above this size is parsed off the I/O threads, which it would hold up for milliseconds.
const OFFLOAD_BYTES: usize = 128 << 10;

/// Bytes read and thrown away after a refusal, so that ordinary clients see the answer.
const DRAIN_BYTES: usize = 64 << 20;

struct Ingest {
    settings: IngestSettings,
    transport: Arc<dyn Transport>,
    streams: StreamSet,
    requests: Option<Limiter>,
    events: Option<Limiter>,
}

/// The endpoint for `streams`, sending over `transport`. Clients are told apart by the address in
/// `ConnectInfo<SocketAddr>`, which `millrace_http::server` provides; without it all share one
/// rate.
pub fn router(
    settings: IngestSettings,
    transport: Arc<dyn Transport>,
    streams: StreamSet,
) -> Router {
    let limits = &settings.limits;
    let ingest = Ingest {
        streams,
        requests: Limiter::new(limits.requests),
        events: Limiter::new(limits.events),
        transport,
        settings,
    };
    Router::new()
        .route("/v1/streams/{stream}/events", post(events).fallback(wrong_method))
        .with_state(Arc::new(ingest))
}

async fn wrong_method(request: Request) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
        .detail(format!("events are sent with POST, not {}", request.method()))
        .header(ALLOW, "POST")
}

async fn events(
    State(ingest): State<Arc<Ingest>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A name that is not text is no stream's.
    let name = name.map_or_else(|_| String::from("\u{fffd}"), |Path(name)| name);
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let remote = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let remote = client(remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip()));
    let admitted = match ingest.admit(&name, &parts.headers, remote) {
        Ok(admitted) => admitted,
        Err(problem) => return refuse(problem, &parts.headers, Some(&mut body)).await,
    };
    let stream = Arc::clone(&admitted.stream);
    let response = ingest.take(admitted, &parts.headers, &mut body).await;
    metrics::counter!("millrace_ingest_requests_total",
        "stream" => stream.name.as_str().to_owned(),
        "status" => response.status().as_str().to_owned())
    .increment(1);
    response
}

/// Answers a request whose body was not read to its end.
async fn refuse(
    problem: Problem,
    headers: &HeaderMap,
    body: Option<&mut BodyDataStream>,
) -> Response {
    metrics::counter!("millrace_ingest_rejected_total", "reason" => problem.kind()).increment(1);
    // A client that asked first has not sent its body, and must not be told to.
    if let Some(body) = body.filter(|_| !headers.contains_key(EXPECT)) {
        body::drain(body, DRAIN_BYTES).await;
    }
    problem.into_response()
}

/// A request that may be read.
struct Admitted {
    stream: Arc<Stream>,
    format: Format,
    remote: IpAddr,
}

impl Ingest {
    /// What can be decided from the header alone.
    fn admit(&self, name: &str, headers: &HeaderMap, remote: IpAddr) -> Result<Admitted, Problem> {
        let streams = self.streams.current();
        let stream = streams.get(name).cloned();
        let stream = stream.ok_or_else(|| unknown_stream(name, streams.keys()))?;
        let format = Format::of(headers)?;
        if let Some(limiter) = &self.requests {
            limiter.check((remote, stream.number), NonZeroU32::MIN).map_err(too_fast)?;
        }
        Ok(Admitted { stream, format, remote })
    }

    async fn take(
        &self,
        admitted: Admitted,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
    ) -> Response {
        let limits = &self.settings.limits;
        let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let reading = Reading {
            max: limits.max_body_bytes,
            within: limits.body_timeout,
            budget: &self.settings.budget,
            declared,
            gzip: admitted.format.gzip,
        };
        let held = match reading.admit() {
            Ok(held) => held,
            Err(error) => return refuse(error.problem(), headers, Some(body)).await,
        };
        let (bytes, held) = match reading.read(body, held).await {
            Ok(read) => read,
            Err(error) => {
                let more = Some(body).filter(|_| error.leaves_more());
                return refuse(error.problem(), headers, more).await;
            }
        };
        let Admitted { stream, format, remote } = admitted;
        metrics::counter!("millrace_ingest_body_bytes_total",
            "stream" => stream.name.as_str().to_owned())
        .increment(bytes.len() as u64);
        match self.parse(&stream, format.form, bytes).await {
            Ok(parsed) => self.send(&stream, remote, parsed, held).await,
            Err(problem) => problem.into_response(),
        }
    }

    async fn parse(&self, stream: &Stream, form: Form, bytes: Bytes) -> Result<Parsed, Problem> {
        let limits = &self.settings.limits;
        let now_ms = self.settings.clock.now_ms();
        let rules = Rules {
            max_events: limits.max_events,
            max_event_bytes: limits.max_event_bytes,
            timestamps_ms: (
                now_ms.saturating_sub(millis(limits.timestamp_past)),
                now_ms.saturating_add(millis(limits.timestamp_future)),
            ),
        };
        let split = if bytes.len() <= OFFLOAD_BYTES {
            record::parse(&stream.door, &form, &bytes, rules)
        } else {
            let door = Arc::clone(&stream.door);
            let parse = move || record::parse(&door, &form, &bytes, rules);
            tokio::task::spawn_blocking(parse).await.map_err(|error| {
                tracing::error!(%error, stream = %stream.name, "parsing events panicked");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
                    .detail("the events could not be parsed; nothing was accepted")
            })?
        };
        split.map_err(|error| answer::of_split(error, limits.max_events))
    }

    async fn send(
        &self,
        stream: &Stream,
        remote: IpAddr,
        mut parsed: Parsed,
        mut held: Reservation,
    ) -> Response {
        let total = parsed.total;
        let count = NonZeroU32::new(u32::try_from(total).unwrap_or(u32::MAX));
        if let (Some(limiter), Some(count)) = (&self.events, count)
            && let Err(wait) = limiter.check((remote, stream.number), count)
        {
            return too_fast(wait).into_response();
        }
        let records = std::mem::take(&mut parsed.records);
        if !held.try_grow(beside_body(&records)) {
            return body::BodyError::Busy.problem().into_response();
        }
        let results =
            if records.is_empty() { Some(Vec::new()) } else { self.acked(stream, records).await };
        drop(held);
        let outcome = Outcome::of(total, parsed, results);
        for (label, count) in [
            ("accepted", outcome.accepted()),
            ("refused", outcome.refused()),
            ("unknown", outcome.unknown()),
        ] {
            if count > 0 {
                metrics::counter!("millrace_ingest_events_total",
                    "stream" => stream.name.as_str().to_owned(), "outcome" => label)
                .increment(count as u64);
            }
        }
        outcome.answer()
    }

    /// What the transport said of each record, or `None` if it said nothing in time.
    async fn acked(
        &self,
        stream: &Stream,
        records: Vec<Outgoing>,
    ) -> Option<Vec<Result<(), millrace_events::SendError>>> {
        let clock = &self.settings.clock;
        let started = clock.monotonic();
        let sent = self.transport.send(records);
        let results = tokio::time::timeout(self.settings.limits.ack_timeout, sent).await.ok();
        let waited = clock.monotonic().saturating_sub(started);
        metrics::histogram!("millrace_ingest_ack_seconds",
            "stream" => stream.name.as_str().to_owned())
        .record(waited.as_secs_f64());
        results
    }
}

fn unknown_stream<'a>(name: &str, known: impl Iterator<Item = &'a String> + Clone) -> Problem {
    let shown: String = name.chars().take(100).collect();
    let hint = suggest::hint(&shown, "streams", known.map(String::as_str));
    Problem::new(StatusCode::NOT_FOUND, "unknown-stream", "Unknown stream")
        .detail(format!("there is no stream `{shown}`: {hint}"))
}

/// Memory the records take that is not part of the body they point into (an upper bound).
fn beside_body(records: &[Outgoing]) -> usize {
    let values = |r: &Outgoing| r.value.as_ref().map_or(0, Bytes::len);
    records.iter().map(|r| r.bytes().saturating_sub(values(r)) + size_of::<Outgoing>()).sum()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn too_fast(wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
        .detail("this client sends to this stream faster than allowed; nothing was accepted")
        .retry_after(wait)
}
