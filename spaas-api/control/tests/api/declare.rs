//! Declaring, reading, changing and removing resources.

use reqwest::Method;
use serde_json::json;

use crate::support::{COUNTS, PLAYS, Server, yaml};

const STREAM: &str = "/v1/namespaces/default/streams/plays";
const JOB: &str = "/v1/namespaces/default/jobs/counts";

#[tokio::test]
async fn a_stream_and_a_job_are_declared_and_read_back() {
    let server = Server::start().await;
    let made = server.put(STREAM, PLAYS).await.is(201);
    assert_eq!(made.header("millrace-outcome"), "created");
    let made = server.put(JOB, COUNTS).await.is(201);
    let read = server.get(JOB).await.is(200);
    assert_eq!(read.json(), made.json());
    assert_eq!(read.header("etag"), made.header("etag"));
    assert_eq!(read.json()["spec"]["sql"], "INSERT INTO counts SELECT member FROM plays");
    let again = server.put(JOB, COUNTS).await.is(200);
    assert_eq!(again.header("millrace-outcome"), "unchanged");
    assert_eq!(again.header("etag"), made.header("etag"));
    let status = server.get(&format!("{JOB}/status")).await.is(200).json();
    assert_eq!(status["goal"]["desired"], "running");
    let listed = server.get("/v1/namespaces/default/streams").await.is(200).json();
    assert_eq!(listed["items"][0]["metadata"]["name"], "plays");
    assert_eq!(listed["next"], json!(null));
    assert_eq!(server.log.0.lock().unwrap()["plays"].partitions, 1);
}

#[tokio::test]
async fn only_the_version_that_was_read_is_changed() {
    let server = Server::start().await;
    let etag = server.put(STREAM, PLAYS).await.is(201).header("etag").to_owned();
    let wider =
        PLAYS.replace("{ name: member", "{ name: title, type: string }\n    - { name: member");
    let conditional = |tag: &str, text: &str| {
        yaml(server.request(Method::PUT, STREAM).header("if-match", tag), text)
    };
    let changed = server.send(conditional(&etag, &wider)).await.is(200);
    assert_eq!(changed.header("millrace-outcome"), "configured");
    let problem = server.send(conditional(&etag, PLAYS)).await.problem(412, "stale");
    assert_eq!(format!("\"{}\"", problem["current"]), changed.header("etag"));
    let create = server.request(Method::PUT, STREAM).header("if-none-match", "*");
    server.send(yaml(create, PLAYS)).await.problem(412, "stale");
    let known = server.request(Method::GET, STREAM).header("if-none-match", changed.header("etag"));
    assert_eq!(server.send(known).await.is(304).text, "");
    let gone = server.request(Method::DELETE, STREAM).header("if-match", etag);
    server.send(gone).await.problem(412, "stale");
}

#[tokio::test]
async fn of_two_that_change_the_same_version_one_wins() {
    let server = Server::start().await;
    let etag = server.put(STREAM, PLAYS).await.is(201).header("etag").to_owned();
    let change = |label: &str| {
        let text =
            PLAYS.replace("  name: plays\n", &format!("  name: plays\n  labels: {{a: {label}}}\n"));
        let request = server.request(Method::PUT, STREAM).header("if-match", &etag);
        server.send(yaml(request, &text))
    };
    let (a, b, c) = tokio::join!(change("a"), change("b"), change("c"));
    let mut statuses = [a.status.as_u16(), b.status.as_u16(), c.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412]);
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_changes_nothing() {
    let server = Server::start().await;
    let would = server.put(&format!("{STREAM}?dry_run=true"), PLAYS).await.is(200);
    assert_eq!(would.header("millrace-outcome"), "created");
    assert_eq!(would.json()["metadata"]["generation"], 1);
    server.get(STREAM).await.problem(404, "not-found");
    assert!(server.log.0.lock().unwrap().is_empty());
    server.put(STREAM, PLAYS).await.is(201);
    let before = server.store.last_event().await.unwrap();
    let wider =
        PLAYS.replace("type: string }\n", "type: string }\n    - { name: x, type: string }\n");
    let would = server.put(&format!("{STREAM}?dry_run=true"), &wider).await.is(200);
    assert_eq!(would.json()["metadata"]["generation"], 2);
    let both = format!("{wider}---\n{COUNTS}");
    let path = "/v1/namespaces/default/apply?dry_run=true";
    let results = server.post_yaml(path, &both).await.is(200).json();
    assert_eq!(results["results"][0]["outcome"], "configured");
    assert_eq!(results["results"][1]["outcome"], "created");
    server.delete(&format!("{STREAM}?dry_run=true")).await.is(204);
    assert_eq!(server.store.last_event().await.unwrap(), before);
    server.get(STREAM).await.is(200);
}

#[tokio::test]
async fn documents_are_applied_all_or_none_and_shown_as_a_diff() {
    let server = Server::start().await;
    let both = format!("{COUNTS}---\n{PLAYS}");
    let wrong = format!("{both}---\n{}", PLAYS.replace("name: plays", "name: other\n  x: 1"));
    let problem = server.post_yaml("/v1/namespaces/default/apply", &wrong).await;
    let problem = problem.problem(400, "manifest-invalid");
    assert_eq!(problem["errors"][0]["index"], 2);
    server.get(STREAM).await.problem(404, "not-found");
    let results = server.post_yaml("/v1/namespaces/default/apply", &both).await.is(200).json();
    assert_eq!(results["results"][0]["name"], "plays");
    assert_eq!(results["results"][1]["outcome"], "created");
    let changed = COUNTS.replace("member FROM", "id FROM");
    let diff = server.post_yaml("/v1/namespaces/default/diff", &changed).await.is(200).json();
    let text = diff["results"][0]["diff"].as_str().unwrap();
    assert!(text.contains("--- jobs/counts\n+++ jobs/counts\n"), "{text}");
    assert!(text.contains("SELECT id FROM plays"), "{text}");
    assert_eq!(server.get(JOB).await.json()["metadata"]["generation"], 1);
}

#[tokio::test]
async fn what_is_in_use_stays_and_a_job_is_marked_before_it_goes() {
    let server = Server::start().await;
    server.put(STREAM, PLAYS).await.is(201);
    server.put(JOB, COUNTS).await.is(201);
    let problem = server.delete(STREAM).await.problem(409, "in-use");
    assert!(problem["detail"].as_str().unwrap().contains("job `counts`"), "{problem}");
    let without = PLAYS.replace("    - { name: member, type: int64 }\n", "");
    let problem = server.put(STREAM, &without).await.problem(409, "in-use");
    assert!(problem["detail"].as_str().unwrap().contains("there is no column `member`"));
    let problem = server.put(STREAM, &PLAYS.replace("  format", "  partitions: 4\n  format")).await;
    assert_eq!(problem.problem(409, "immutable")["errors"][0]["pointer"], "/spec/partitions");
    let marked = server.delete(JOB).await.is(202).json();
    assert!(marked["metadata"]["deletingMs"].is_i64(), "{marked}");
    server.put(JOB, COUNTS).await.problem(409, "deleting");
}

#[tokio::test]
async fn sql_that_has_not_changed_is_not_planned_again() {
    let server = Server::start().await;
    server.put(STREAM, PLAYS).await.is(201);
    server.put(JOB, COUNTS).await.is(201);
    let planned = || *server.engine.planned.lock().unwrap();
    let before = planned();
    let both = format!("{PLAYS}---\n{COUNTS}");
    server.post_yaml("/v1/namespaces/default/apply", &both).await.is(200);
    let labelled = COUNTS.replace("name: counts", "name: counts\n  labels: { a: b }");
    server.put(JOB, &labelled).await.is(200);
    server.get("/v1/namespaces/default/tables").await.is(200);
    assert_eq!(planned(), before);
    server.put(JOB, &COUNTS.replace("member FROM", "id FROM")).await.is(200);
    assert!(planned() > before);
}

#[tokio::test]
async fn a_replayed_request_is_done_once() {
    let server = Server::start().await;
    let put = |text: &str| {
        yaml(server.request(Method::PUT, STREAM).header("idempotency-key", "k-1"), text)
    };
    let first = server.send(put(PLAYS)).await.is(201);
    let again = server.send(put(PLAYS)).await.is(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!((again.header("etag"), &again.text), (first.header("etag"), &first.text));
    assert_eq!(again.header("content-type"), "application/json");
    let other = PLAYS.replace("int64", "string");
    server.send(put(&other)).await.problem(422, "idempotency-mismatch");
    let bad = server.request(Method::PUT, STREAM).header("idempotency-key", "a b");
    server.send(yaml(bad, PLAYS)).await.problem(400, "bad-request");
    let versions = server.get(&format!("{STREAM}/versions")).await.is(200).json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 1);
}
