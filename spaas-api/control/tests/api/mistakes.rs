//! What is wrong with a request is said where it is wrong.

use reqwest::Method;
use serde_json::json;

use crate::support::{COUNTS, PLAYS, Server, yaml};

const STREAM: &str = "/v1/namespaces/default/streams/plays";
const JOB: &str = "/v1/namespaces/default/jobs/counts";

#[tokio::test]
async fn a_manifest_is_refused_at_pointer_line_and_column() {
    let server = Server::start().await;
    let typo = PLAYS.replace("  format: json", "  formt: json");
    let problem = server.put(STREAM, &typo).await.problem(400, "manifest-invalid");
    let error = problem["errors"].as_array().unwrap().iter().find(|e| e["line"] == 5).unwrap();
    assert_eq!((&error["index"], &error["column"]), (&json!(0), &json!(3)), "{problem:#}");
    assert!(error["message"].as_str().unwrap().contains("formt"), "{problem:#}");
    let wrong = PLAYS.replace("int64", "int65");
    let problem = server.put(STREAM, &wrong).await.problem(400, "manifest-invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/spec/columns/2/type");
    assert_eq!(problem["errors"][0]["line"], 9);
    let problem = server.put(STREAM, "kind: [").await.problem(400, "manifest-invalid");
    assert_eq!(problem["errors"][0]["line"], 1);
    let problem = server.put(JOB, PLAYS).await.problem(400, "manifest-invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/kind");
    assert_eq!(problem["errors"][1]["pointer"], "/metadata/name");
    let foreign = PLAYS.replace("  name: plays", "  name: plays\n  namespace: other");
    let problem = server.put(STREAM, &foreign).await.problem(400, "manifest-invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/metadata/namespace");
    server.put(STREAM, "").await.problem(400, "manifest-invalid");
}

#[tokio::test]
async fn sql_is_refused_at_its_line_and_column() {
    let server = Server::start().await;
    server.put(STREAM, PLAYS).await.is(201);
    let job = "kind: Job\nmetadata: { name: counts }\nspec:\n  sql: |\n    INSERT INTO counts\n    \
               SELECT nobody\n    FROM plays\n";
    let problem = server.put(JOB, job).await.problem(400, "sql-invalid");
    let error = &problem["errors"][0];
    assert_eq!((&error["pointer"], &error["line"]), (&json!("/spec/sql"), &json!(2)), "{error:#}");
    assert_eq!((&error["column"], &error["hint"]), (&json!(8), &json!("see the stream")));
    assert_eq!(error["document"], json!({"line": 6, "column": 12}), "{error:#}");
    let path = "/v1/namespaces/default/jobs/-/validate";
    let sql = json!({"sql": "INSERT INTO counts SELECT member FROM players"});
    let problem = server.post(path, &sql).await.problem(400, "sql-invalid");
    assert_eq!(problem["errors"][0]["column"], 39);
    let sql = json!({"sql": "INSERT INTO counts SELECT member FROM plays"});
    let outline = server.post(path, &sql).await.is(200).json();
    assert_eq!(outline["streams"], json!(["plays"]));
    server.get(JOB).await.problem(404, "not-found");
}

#[tokio::test]
async fn requests_of_the_wrong_form_are_refused() {
    let server = Server::start().await;
    server.put(STREAM, PLAYS).await.is(201);
    server.put(JOB, COUNTS).await.is(201);
    server.get("/v1/nowhere").await.problem(404, "not-found");
    server.get("/v1/namespaces/default/gadgets/x").await.problem(404, "not-found");
    let wrong = server.send(server.request(Method::PATCH, STREAM)).await;
    assert!(wrong.header("allow").contains("PUT"), "{:?}", wrong.headers);
    wrong.problem(405, "method-not-allowed");
    let text = server.request(Method::PUT, STREAM).body(PLAYS);
    server.send(text).await.problem(415, "unsupported-media-type");
    server.put(&format!("{STREAM}?dryrun=true"), PLAYS).await.problem(400, "bad-query");
    let stop = format!("{JOB}/stop");
    let problem = server.post(&stop, &json!({"savepoints": true})).await;
    assert_eq!(problem.problem(400, "bad-body")["errors"][0]["pointer"], "/savepoints");
    let problem = server.post(&stop, &json!({"drain": 1})).await.problem(400, "bad-body");
    assert_eq!(problem["errors"][0]["pointer"], "/drain");
    let rescale = format!("{JOB}/rescale");
    let problem = server.post(&rescale, &json!({"parallelism": 0})).await.problem(400, "bad-body");
    assert_eq!(problem["errors"][0]["pointer"], "/parallelism");
    server.post(&rescale, &json!({})).await.problem(400, "bad-body");
    let raw = |body: &'static str| {
        let request = server.request(Method::POST, &rescale);
        request.header("content-type", "application/json").body(body)
    };
    let problem = server.send(raw("{\"parallelism\": 2} x")).await.problem(400, "bad-body");
    assert_eq!(problem["errors"][0]["column"], 20);
    server.send(raw("[[[[")).await.problem(400, "bad-body");
    let tag = server.request(Method::PUT, STREAM).header("if-match", "W/\"1\"");
    server.send(yaml(tag, PLAYS)).await.problem(400, "bad-condition");
    server.get("/v1/namespaces/default/streams?limit=0").await.problem(400, "bad-query");
    server.get("/v1/namespaces/default/streams?after=x").await.problem(400, "bad-query");
    let reason = "x".repeat(1001);
    server.put(&format!("{STREAM}?reason={reason}"), PLAYS).await.problem(400, "bad-query");
    server.get("/v1/audit?after=-1").await.problem(400, "bad-query");
    server.get(&format!("{JOB}/status?x=1")).await.is(200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = Server::start().await;
    let large = format!("{PLAYS}# {}\n", "x".repeat(1 << 20));
    server.put(STREAM, &large).await.problem(413, "too-large");
    let keyed = server.request(Method::PUT, STREAM).header("idempotency-key", "large");
    server.send(yaml(keyed, &large)).await.problem(413, "too-large");
    let not_text = server.request(Method::PUT, STREAM).header("content-type", "application/yaml");
    server.send(not_text.body(vec![0xff, 0xfe, 0])).await.problem(400, "bad-body");
}

#[tokio::test]
async fn hostile_names_name_nothing() {
    let server = Server::start().await;
    let names = [
        "%00",
        "..%2f..%2fetc",
        "%ff%fe",
        "a%27%20OR%201=1--",
        "Ünïcode",
        "%F0%9F%92%A3",
        "a--b",
        "-",
        "x%0d%0aSet-Cookie:%20a",
        "%252e%252e",
        &"n".repeat(5000),
    ];
    for name in names {
        let path = format!("/v1/namespaces/default/streams/{name}");
        server.get(&path).await.problem(404, "not-found");
        server.get(&format!("/v1/namespaces/{name}/streams")).await.problem(404, "not-found");
        server.delete(&path).await.problem(404, "not-found");
        let refused = server.put(&path, PLAYS).await;
        assert!([400, 404].contains(&refused.status.as_u16()), "{name}: {}", refused.text);
    }
    for name in ["a--b", "A", "-a", "", "n".repeat(101).as_str()] {
        let text = PLAYS.replace("name: plays", &format!("name: \"{name}\""));
        server.put(&format!("/v1/namespaces/default/streams/{name}x"), &text).await.is(400);
    }
}
