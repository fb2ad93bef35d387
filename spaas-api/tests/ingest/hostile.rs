//! Input made to harm: nothing panics, nothing is answered with 500, nothing gets through changed.

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use serde_json::Value;

use crate::support::*;

#[tokio::test]
async fn nesting_far_beyond_the_stack_is_refused() {
    let app = App::new(Log::accepting());
    let open = "[".repeat(1_000_000);
    let object = r#"{"a":"#.repeat(200_000);
    for body in [open.clone(), object, format!(r#"{{"member":7,"x":{open}"#)] {
        for media in [JSON, NDJSON, BATCH, STRUCTURED] {
            let reply = app.post(&[media], body.clone()).await;
            assert!([400, 413].contains(&reply.status.as_u16()), "{}", reply.json);
        }
    }
    assert!(app.log.records().is_empty());
}

#[tokio::test]
async fn values_that_readers_disagree_on_are_refused() {
    let app = App::new(Log::accepting());
    let bodies: [&[u8]; 10] = [
        br#"{"member":7,"member":8}"#,
        br#"{"member":7,"m\u0065mber":8}"#,
        br#"{"member":99999999999999999999}"#,
        br#"{"member":1e400}"#,
        br#"{"member":0x10}"#,
        br#"{"member":07}"#,
        br#"{"member":7,"title":"\ud800"}"#,
        b"{\"member\":7,\"title\":\"\xc3\x28\"}",
        b"{\"member\":7,\"title\":\"a\nb\"}",
        b"{\"member\":7}\0",
    ];
    for body in bodies {
        let reply = app.post(&[JSON], body).await;
        assert_eq!(reply.status, 400, "{}", String::from_utf8_lossy(body));
    }
    assert!(app.log.records().is_empty());
}

#[tokio::test]
async fn attributes_cannot_smuggle_headers() {
    let app = App::new(Log::accepting());
    let event = |attribute: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t",{attribute},"data":{{"member":7}}}}"#
        )
    };
    for attribute in [
        r#""x":"a\r\nHost: evil""#,
        r#""x\r\n":"a""#,
        r#""ce_id":"2""#,
        r#""content-type":"a""#,
        r#""X":"a""#,
        r#""":"a""#,
        r#""id":"2""#,
    ] {
        app.post(&[STRUCTURED], event(attribute)).await.is_problem(400, "bad-events");
    }
    let binary = [
        JSON,
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("ce-x", "a%0d%0aHost: evil"),
    ];
    app.post(&binary, r#"{"member":7}"#).await.is_problem(400, "bad-attributes");
    assert!(app.log.records().is_empty());
}

#[tokio::test]
async fn answers_to_hostile_input_stay_small() {
    let app = App::new(Log::accepting());
    let long = "é".repeat(300_000);
    let reply = app.post(&[JSON], format!(r#"{{"member":"{long}"}}"#)).await;
    assert!(reply.is_problem(400, "bad-events").json.to_string().len() < 2_000);
    let reply = app.post(&[JSON], format!("\"{long}\"")).await;
    assert!(reply.is_problem(400, "bad-events").json.to_string().len() < 2_000);
    let path = format!("/v1/streams/{}/events", "x".repeat(60_000));
    let reply = app.send(Request::post(path).body(Body::empty()).expect("a request")).await;
    assert!(reply.is_problem(404, "unknown-stream").json.to_string().len() < 2_000);
}

fn media() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "application/json",
        "application/x-ndjson",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/vnd.x+json",
        "nonsense",
    ])
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[\\[\\]{}\",:0-9a-z\\\\ \n.-]{0,80}".prop_map(String::into_bytes),
        "(\\{\"(member|title|at|event_id|data|id)\":(1|\"x\"|null|-1e5|\\[\\])[,}] ?\n?){0,6}"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_bytes_get_an_answer_that_is_not_our_fault(
        media in media(),
        gzip in prop::bool::weighted(0.1),
        binary in prop::bool::weighted(0.2),
        body in body(),
    ) {
        let mut headers = vec![("content-type", media)];
        if gzip {
            headers.push(("content-encoding", "gzip"));
        }
        if binary {
            let attributes = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s")];
            headers.extend(attributes.into_iter().chain([("ce-type", "t")]));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let app = App::new(Log::accepting());
        let reply = runtime.expect("a runtime").block_on(app.post(&headers, body));
        prop_assert!([202, 400, 413, 415].contains(&reply.status.as_u16()), "{}", reply.json);
        prop_assert!(reply.json.is_object());
        for record in app.log.records() {
            let value: Value = serde_json::from_str(&value_of(&record)).expect("valid JSON");
            prop_assert!(value["member"].is_number() && value["event_id"].is_string());
            let key = String::from_utf8(record.key.expect("a key").to_vec()).expect("UTF-8");
            prop_assert_eq!(key.parse::<f64>().ok(), value["member"].as_f64());
        }
        prop_assert_eq!(app.budget.used(), 0);
    }

    #[test]
    fn any_header_values_get_an_answer(
        name in prop::sample::select(vec![
            "content-type", "content-encoding", "content-length", "ce-id", "ce-time", "ce-x", "expect",
        ]),
        value in "[\\x20-\\x7e]{0,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let app = App::new(Log::accepting());
        let headers = [JSON, (name, value.as_str())];
        let reply = runtime.expect("a runtime").block_on(app.post(&headers, r#"{"member":7}"#));
        prop_assert!(reply.status.as_u16() < 500, "{}", reply.json);
    }
}
