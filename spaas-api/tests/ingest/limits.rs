//! Limits: what is too large, too many, too deep, too fast, or too much at once.

use std::convert::Infallible;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use millrace_spaas::ingest::{IngestLimits, Rate};

use crate::support::*;

const SMALL: &str = r#"{"event_id":"e","member":7}"#;

fn small_limits() -> IngestLimits {
    IngestLimits {
        max_body_bytes: 10_000,
        max_event_bytes: 1_000,
        max_events: 5,
        max_depth: 3,
        ..IngestLimits::default()
    }
}

fn app() -> App {
    App::with(Log::accepting(), small_limits(), 1 << 20)
}

/// A body of unknown length in chunks of 1,000 bytes, and how many were read.
fn endless() -> (Body, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let chunks = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from(vec![b' '; 1_000]))
    });
    (Body::from_stream(chunks), read)
}

#[tokio::test]
async fn a_declared_length_above_the_limit_is_refused() {
    let app = app();
    let reply = app.post(&[NDJSON, ("content-length", "10001")], vec![b'x'; 10_001]).await;
    assert_eq!(reply.is_problem(413, "body-too-large").json["max_bytes"], 10_000);
    assert_eq!(app.budget.peak(), 0, "nothing was held");
}

#[tokio::test]
async fn an_undeclared_length_is_refused_while_it_comes() {
    let app = app();
    let (body, read) = endless();
    // Asking first means that no more is read once refused.
    let reply = app.post(&[NDJSON, ("expect", "100-continue")], body).await;
    reply.is_problem(413, "body-too-large");
    assert!(read.load(Ordering::Relaxed) <= 12, "reading stopped at the limit");
    assert!(app.budget.peak() < 20_000, "{}", app.budget.peak());
    assert_eq!(app.budget.used(), 0);
}

#[tokio::test]
async fn a_gzip_bomb_costs_no_more_than_the_limit() {
    let app = app();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 50 << 20]).expect("memory");
    let bomb = encoder.finish().expect("memory");
    let limits = IngestLimits { max_body_bytes: 100_000, ..small_limits() };
    let app_large = App::with(Log::accepting(), limits, 1 << 20);
    for app in [&app, &app_large] {
        let reply = app.post(&[NDJSON, ("content-encoding", "gzip")], bomb.clone()).await;
        reply.is_problem(413, "body-too-large");
        assert!(app.budget.peak() < 220_000, "{}", app.budget.peak());
        assert_eq!(app.budget.used(), 0);
    }
}

#[tokio::test]
async fn too_many_and_too_large_events() {
    let app = app();
    let reply = app.post(&[JSON], format!("[{}]", [SMALL; 6].join(","))).await;
    assert_eq!(reply.is_problem(413, "too-many-events").json["max_events"], 5);
    app.post(&[NDJSON], [SMALL; 6].join("\n")).await.is_problem(413, "too-many-events");

    let big = format!(r#"{{"member":7,"title":"{}"}}"#, "x".repeat(1_000));
    app.post(&[JSON], big.clone()).await.is_problem(413, "event-too-large");
    let reply = app.post(&[NDJSON], format!("{big}\n{SMALL}")).await;
    assert_eq!((reply.status.as_u16(), &reply.json["accepted"]), (202, &1.into()));
    assert!(reply.json["errors"][0]["message"].as_str().expect("text").contains("1000 bytes"));
}

#[tokio::test]
async fn attributes_count_towards_an_events_size() {
    let app = app();
    let attribute = "x".repeat(990);
    let event = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","a":"{attribute}","data":{SMALL}}}"#
    );
    app.post(&[STRUCTURED], event).await.is_problem(413, "event-too-large");
    assert!(app.log.records().is_empty());
}

#[tokio::test]
async fn nesting_is_limited() {
    let app = app();
    let nested = |levels: usize| {
        format!(r#"{{"member":7,"x":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1))
    };
    assert_eq!(app.post(&[JSON], nested(3)).await.status, 202);
    let reply = app.post(&[JSON], nested(4)).await;
    let reply = reply.is_problem(400, "bad-events");
    assert!(reply.json["errors"][0]["message"].as_str().expect("text").contains("3 levels"));
}

#[tokio::test]
async fn a_client_that_is_too_fast_is_told_how_long_to_wait() {
    let once_an_hour = Rate { count: NonZeroU32::MIN, per: Duration::from_hours(1) };
    let limits = IngestLimits { requests: Some(once_an_hour), ..IngestLimits::default() };
    let app = App::with(Log::accepting(), limits, 1 << 20);
    assert_eq!(app.post(&[JSON], SMALL).await.status, 202);
    let reply = app.post(&[JSON], SMALL).await;
    assert!(reply.is_problem(429, "too-many-requests").retry_after() > 3_000);
    assert_eq!(app.log.records().len(), 1);
}

#[tokio::test]
async fn events_are_limited_apart_from_requests() {
    let three = Rate { count: NonZeroU32::new(3).expect("not 0"), per: Duration::from_hours(1) };
    let limits = IngestLimits { events: Some(three), ..IngestLimits::default() };
    let app = App::with(Log::accepting(), limits, 1 << 20);
    app.post(&[NDJSON], [SMALL; 4].join("\n")).await.is_problem(429, "too-many-requests");
    assert_eq!(app.post(&[NDJSON], [SMALL; 3].join("\n")).await.status, 202);
    app.post(&[JSON], SMALL).await.is_problem(429, "too-many-requests");
    assert_eq!(app.log.records().len(), 3);
}

#[tokio::test]
async fn a_full_budget_pushes_back_until_the_log_answers() {
    let app = App::with(Log::gated(), IngestLimits::default(), 12_000);
    let body = format!(r#"{{"event_id":"e","member":7,"title":"{}"}}"#, "x".repeat(5_000));
    let first = tokio::spawn({
        let (app, body) = (app.clone(), body.clone());
        async move { app.post(&[JSON, ("content-length", "5050")], body).await }
    });
    app.log.call_arrived().await;
    assert!(app.budget.used() > 9_000, "a body is charged until it is acknowledged");
    let reply = app.post(&[JSON, ("content-length", "5050")], body).await;
    assert!(reply.is_problem(503, "busy").retry_after() >= 1);
    app.log.open_gate();
    assert_eq!(first.await.expect("joined").status, 202);
    assert_eq!(app.budget.used(), 0);
    app.log.open_gate();
    assert_eq!(app.post(&[JSON], SMALL).await.status, 202, "and on it goes");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let limits = IngestLimits { body_timeout: Duration::from_millis(20), ..small_limits() };
    let app = App::with(Log::accepting(), limits, 1 << 20);
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    app.post(&[JSON], never).await.is_problem(408, "slow-body");
    assert_eq!(app.budget.used(), 0);
}
