//! Acknowledgement: 202 means that the log has it, and a failure says what to send again.

use std::time::Duration;

use millrace_events::SendError;
use millrace_spaas::ingest::IngestLimits;
use serde_json::json;

use crate::support::*;

fn event(id: &str) -> String {
    json!({"event_id": id, "member": 7}).to_string()
}

fn lines(ids: &[&str]) -> String {
    ids.iter().map(|id| event(id) + "\n").collect()
}

/// A log in trouble with the events whose ids say so.
fn troubled() -> Log {
    Log::deciding(|record| {
        let value = value_of(record);
        if value.contains("away") {
            Err(SendError::Unavailable("no leader".to_owned()))
        } else if value.contains("never") {
            Err(SendError::Rejected("not authorized".to_owned()))
        } else {
            Ok(())
        }
    })
}

#[tokio::test]
async fn nothing_is_answered_before_the_log_acknowledged() {
    let app = App::new(Log::gated());
    let request = tokio::spawn({
        let app = app.clone();
        async move { app.post(&[JSON], event("e1")).await }
    });
    app.log.call_arrived().await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!request.is_finished(), "answered, though the log had not");
    assert!(app.log.records().is_empty());
    app.log.open_gate();
    assert_eq!(request.await.expect("joined").status, 202);
    assert_eq!(app.log.records().len(), 1);
}

#[tokio::test]
async fn a_broker_away_for_some_says_which_to_send_again() {
    let app = App::new(troubled());
    let reply = app.post(&[NDJSON], lines(&["a", "away1", "never", "b", "away2"]) + "{}\n").await;
    assert!(reply.is_problem(503, "broker-unavailable").retry_after() >= 1);
    assert_eq!(reply.json["accepted"], 2);
    assert_eq!(reply.json["accepted_ids"], json!(["a", "b"]));
    let retry = json!([{"index": 1, "id": "away1"}, {"index": 4, "id": "away2"}]);
    assert_eq!(reply.json["retry"], retry);
    let errors = reply.json["errors"].as_array().expect("a list");
    let indexes: Vec<_> = errors.iter().map(|e| e["index"].as_u64().expect("a number")).collect();
    assert_eq!(indexes, [2, 5]);
    assert!(errors[0]["message"].as_str().expect("text").contains("not authorized"));
}

#[tokio::test]
async fn what_the_broker_will_never_take_is_an_error_of_that_event() {
    let app = App::new(troubled());
    let reply = app.post(&[NDJSON], lines(&["never", "a"])).await;
    assert_eq!((reply.status.as_u16(), &reply.json["accepted"]), (202, &json!(1)));
    assert_eq!(reply.json["errors"][0]["id"], "never");
    let reply = app.post(&[JSON], event("never")).await;
    assert_eq!(reply.is_problem(400, "bad-events").json["accepted"], 0);
}

#[tokio::test]
async fn silence_is_not_success_and_generated_ids_are_told() {
    let limits = IngestLimits { ack_timeout: Duration::from_millis(20), ..IngestLimits::default() };
    let app = App::with(Log::gated(), limits, 1 << 20);
    let reply = app.post(&[JSON], r#"{"member":7}"#).await;
    let reply = reply.is_problem(503, "broker-unavailable");
    assert_eq!(reply.json["accepted"], 0);
    let id = reply.json["retry"][0]["id"].as_str().expect("text");
    assert_eq!(uuid::Uuid::parse_str(id).expect("a UUID").get_version_num(), 7);
    assert_eq!(app.budget.used(), 0);
}

#[tokio::test]
async fn a_transport_that_answers_too_little_acknowledges_nothing_more() {
    struct Mute;
    #[async_trait::async_trait]
    impl millrace_events::Transport for Mute {
        async fn send(&self, _: Vec<millrace_events::Outgoing>) -> Vec<Result<(), SendError>> {
            Vec::new()
        }
    }
    let settings =
        millrace_spaas::ingest::IngestSettings::new(millrace_events::Budget::new("b", 1 << 20));
    let streams = [("playback".parse().expect("a name"), std::sync::Arc::new(schema()))].into();
    let streams = millrace_spaas::ingest::StreamSet::new(&settings.limits, streams);
    let router = millrace_spaas::ingest::router(settings, std::sync::Arc::new(Mute), streams);
    let app = App { router, ..App::new(Log::accepting()) };
    app.post(&[JSON], event("a")).await.is_problem(503, "broker-unavailable");
}

#[tokio::test]
async fn a_request_without_a_good_event_is_400_and_reaches_no_log() {
    let app = App::new(Log::accepting());
    let reply = app.post(&[NDJSON], "{}\n[]\n").await;
    assert_eq!(
        reply.is_problem(400, "bad-events").json["errors"].as_array().map(Vec::len),
        Some(2)
    );
    app.post(&[JSON], "").await.is_problem(400, "bad-events");
    app.post(&[JSON], "[1,").await.is_problem(400, "malformed-body");
    assert_eq!(app.log.arrived.available_permits(), 0);
}

#[tokio::test]
async fn large_bodies_are_parsed_in_order_off_the_io_threads() {
    let app = App::new(Log::accepting());
    let ids: Vec<_> = (0..5_000).map(|n| format!("e{n:05}")).collect();
    let body = lines(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(body.len() > 128 << 10);
    assert_eq!(app.post(&[NDJSON], body).await.json["accepted"], 5_000);
    let records = app.log.records();
    assert!(records.iter().zip(&ids).all(|(r, id)| value_of(r).contains(id.as_str())));
}
