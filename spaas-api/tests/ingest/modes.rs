//! Every form events can come in.

use std::io::Write;

use axum::body::Body;
use axum::http::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::support::*;

const EVENT: &str = r#"{"event_id":"e1","at":1000,"member":7,"title":"x"}"#;

fn cloud_event(id: &str) -> String {
    json!({
        "specversion": "1.0", "id": id, "source": "/tests", "type": "play", "tenant": 3,
        "data": {"member": 7}
    })
    .to_string()
}

#[tokio::test]
async fn one_json_object_and_a_list_of_them() {
    let app = App::new(Log::accepting());
    let reply = app.post(&[JSON], EVENT).await;
    assert_eq!((reply.status.as_u16(), reply.json), (202, json!({"accepted": 1, "errors": []})));
    let reply = app.post(&[JSON], format!(" [{EVENT},\n{EVENT}] ")).await;
    assert_eq!(reply.json["accepted"], 2);
    let records = app.log.records();
    assert_eq!(records.len(), 3);
    for record in records {
        assert_eq!(record.topic.as_ref(), "events.playback");
        assert_eq!(record.key.as_deref(), Some(&b"7"[..]));
        assert_eq!(value_of(&record), EVENT);
        assert_eq!(record.headers, []);
    }
}

#[tokio::test]
async fn lines_with_bad_ones_among_them() {
    let app = App::new(Log::accepting());
    let body = format!("{EVENT}\n{{\"member\":\"seven\"}}\n\nnot json\n{{\"member\":8}}\n");
    let reply = app.post(&[NDJSON], body).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json["accepted"], 2);
    let errors = reply.json["errors"].as_array().expect("a list");
    let places: Vec<_> = errors.iter().map(|e| (e["index"].clone(), e["line"].clone())).collect();
    assert_eq!(places, [(json!(1), json!(2)), (json!(2), json!(4))]);
    let ids = reply.json["ids"].as_array().expect("one was made here");
    assert_eq!(ids[0], "e1");
    assert!(value_of(&app.log.records()[1]).contains(ids[1].as_str().expect("text")));
}

#[tokio::test]
async fn a_structured_cloud_event_keeps_its_attributes_as_headers() {
    let app = App::new(Log::accepting());
    let reply = app.post(&[STRUCTURED], cloud_event("c1")).await;
    assert_eq!((reply.status.as_u16(), reply.json), (202, json!({"accepted": 1, "errors": []})));
    let record = &app.log.records()[0];
    assert_eq!(value_of(record), r#"{"event_id":"c1","member":7}"#);
    let headers = headers_of(record);
    for (name, value) in [("ce_id", "c1"), ("ce_source", "/tests"), ("ce_tenant", "3")] {
        assert!(headers.contains(&(name.to_owned(), value.to_owned())), "{headers:?}");
    }
    assert!(headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
}

#[tokio::test]
async fn a_batch_of_cloud_events_lists_the_bad_ones() {
    let app = App::new(Log::accepting());
    let bad = r#"{"specversion":"1.0","id":"c2","source":"/s","type":"t","data":{"member":null}}"#;
    let body = format!("[{},{bad},{{}},{}]", cloud_event("c1"), cloud_event("c4"));
    let reply = app.post(&[BATCH], body).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json["accepted"], 2);
    let errors = &reply.json["errors"];
    assert_eq!((&errors[0]["index"], &errors[0]["id"]), (&json!(1), &json!("c2")));
    assert!(errors[1]["message"].as_str().expect("text").contains("specversion"));
    assert_eq!(app.post(&[BATCH], "[]").await.json["accepted"], 0);
    app.post(&[BATCH], cloud_event("c5")).await.is_problem(400, "malformed-body");
}

#[tokio::test]
async fn binary_mode_reads_attributes_from_headers() {
    let app = App::new(Log::accepting());
    let attributes = [
        ("content-type", "application/json; charset=UTF-8"),
        ("ce-specversion", "1.0"),
        ("ce-id", "b%201%C3%A9"),
        ("ce-source", "/tests"),
        ("ce-type", "play"),
        ("ce-time", "2019-11-24T00:00:01Z"),
    ];
    let reply = app.post(&attributes, r#"{"member":7}"#).await;
    assert_eq!(reply.status, 202, "{}", reply.json);
    let record = &app.log.records()[0];
    assert_eq!(value_of(record), r#"{"event_id":"b 1é","at":"2019-11-24T00:00:01Z","member":7}"#);
    assert_eq!(record.timestamp_ms, None, "too long ago for a broker that deletes by time");
    let headers = headers_of(record);
    assert!(headers.contains(&("ce_time".to_owned(), "2019-11-24T00:00:01Z".to_owned())));
    app.post(&attributes[..3], r#"{"member":7}"#).await.is_problem(400, "bad-attributes");
    app.post(&attributes, r#"[{"member":7}]"#).await.is_problem(400, "bad-events");
}

#[tokio::test]
async fn gzip_in_one_or_more_members_is_inflated() {
    let app = App::new(Log::accepting());
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let body = [gzip(&format!("{EVENT}\n")), gzip(EVENT)].concat();
    let headers = [NDJSON, ("content-encoding", "gzip")];
    assert_eq!(app.post(&headers, body.clone()).await.json["accepted"], 2);
    app.post(&headers, body[..body.len() - 9].to_vec()).await.is_problem(400, "broken-body");
    app.post(&headers, EVENT).await.is_problem(400, "broken-body");
    let reply = app.post(&[NDJSON, ("content-encoding", "br")], EVENT).await;
    assert_eq!(reply.is_problem(415, "unsupported-media").headers["accept-encoding"], "gzip");
}

#[tokio::test]
async fn other_media_names_and_methods_are_turned_away_with_a_hint() {
    let app = App::new(Log::accepting());
    let types =
        ["text/plain", "application/cloudevents+avro", "application/json; charset=latin1", "", "%"];
    for media in types {
        app.post(&[("content-type", media)], EVENT).await.is_problem(415, "unsupported-media");
    }
    app.post(&[], EVENT).await.is_problem(415, "unsupported-media");

    let post = |path: &str| {
        Request::post(path).header(JSON.0, JSON.1).body(Body::from(EVENT)).expect("a request")
    };
    let reply = app.send(post("/v1/streams/playbak/events")).await;
    let detail = reply.is_problem(404, "unknown-stream").json["detail"].as_str().expect("text");
    assert!(detail.contains("did you mean `playback`"), "{detail}");
    app.send(post("/v1/streams/%ff/events")).await.is_problem(404, "unknown-stream");
    app.send(post("/v1/streams/..%2fplayback/events")).await.is_problem(404, "unknown-stream");

    let get = Request::get(EVENTS).body(Body::empty()).expect("a request");
    let reply = app.send(get).await;
    assert_eq!(reply.is_problem(405, "method-not-allowed").headers["allow"], "POST");
    assert!(app.log.records().is_empty());
}
