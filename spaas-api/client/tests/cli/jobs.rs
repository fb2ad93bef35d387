//! `millrace job …`.

use millrace_client::ExitKind;
use serde_json::json;

use super::support::{Fake, folder};

const JOB: &str = "kind: Job\nmetadata: {name: plays, namespace: shop}\nspec: {sql: SELECT 1}\n";
const PATH: &str = "/v1/namespaces/shop/jobs/plays";

fn status(phase: &str) -> serde_json::Value {
    json!({
        "goal": {"goal": 4, "desired": "running", "version": 2},
        "status": {"phase": phase, "observedGoal": 4, "restarts": 0},
    })
}

#[tokio::test]
async fn each_verb_is_one_request_with_a_key() {
    let cases: [(&[&str], &str, &str, &str); 9] = [
        (&["stop"], "stop", r#"{"drain":false,"savepoint":false}"#, "stopping"),
        (
            &["stop", "--savepoint", "--drain"],
            "stop",
            r#"{"drain":true,"savepoint":true}"#,
            "stopping",
        ),
        (&["resume"], "resume", "{}", "resuming"),
        (&["restart"], "restart", "{}", "restarting"),
        (&["rollback", "--to", "1"], "rollback", r#"{"generation":1}"#, "going back to version 1"),
        (
            &["rollback", "--to", "1", "--fresh-state"],
            "rollback",
            r#"{"fresh_state":true,"generation":1}"#,
            "going back to version 1",
        ),
        (
            &["rollback", "--to", "1", "--allow-dropped-state"],
            "rollback",
            r#"{"allow_dropped_state":true,"generation":1}"#,
            "going back to version 1",
        ),
        (&["rescale", "--parallelism", "4"], "rescale", r#"{"parallelism":4}"#, "rescaling to 4"),
        (&["restart", "--wait"], "restart", "{}", "restarting"),
    ];
    for (verb, path, body, word) in cases {
        let fake = Fake::start().await;
        fake.on(&format!("POST {PATH}/{path}"), 202, &status("running"));
        fake.on(&format!("GET {PATH}/status"), 200, &status("running"));
        let mut args = vec!["job"];
        args.extend(verb);
        args.extend(["plays", "-n", "shop", "--reason", "why", "--if-version", "3"]);
        assert_eq!(fake.run(&args).await.good(), format!("job/plays {word}\n"));
        let seen = fake.seen().remove(0);
        assert_eq!(seen.line, format!("POST {PATH}/{path}?reason=why"));
        assert_eq!(seen.body, body);
        assert_eq!(seen.header("if-match"), Some("\"3\""));
        assert_eq!(seen.header("idempotency-key"), Some("key-1"));
    }
}

#[tokio::test]
async fn deploying_and_upgrading_send_the_manifest() {
    let fake = Fake::start().await;
    let reply = (200, vec![("millrace-outcome", "configured")], status("running").to_string());
    fake.reply(&format!("PUT {PATH}"), reply);
    fake.on(&format!("POST {PATH}/upgrade"), 202, &status("upgrading"));
    let folder = folder(&[("a.yaml", JOB)]);
    let file = folder.path().join("a.yaml");
    let file = file.to_str().unwrap();
    let out = fake.run(&["job", "deploy", "-f", file, "--fresh-state"]).await.good();
    assert_eq!(out, "job/plays configured\n");
    let args = ["job", "upgrade", "plays", "-f", file, "--allow-dropped-state", "-o", "name"];
    assert_eq!(fake.run(&args).await.good(), "job/plays\n");
    // The one job of the manifest need not be named.
    let args = ["job", "upgrade", "-f", file, "-o", "name"];
    assert_eq!(fake.run(&args).await.good(), "job/plays\n");
    let expected = [
        format!("PUT {PATH}?fresh_state=true"),
        format!("POST {PATH}/upgrade?allow_dropped_state=true"),
        format!("POST {PATH}/upgrade"),
    ];
    assert_eq!(fake.lines(), expected);
    for seen in fake.seen() {
        assert_eq!(seen.body, format!("---\n{JOB}"));
        assert_eq!(seen.header("idempotency-key"), Some("key-1"));
    }
}

#[tokio::test]
async fn a_declared_job_is_deployed_by_its_name() {
    let fake = Fake::start().await;
    fake.on(&format!("POST {PATH}/deploy"), 202, &status("starting"));
    let out = fake.run(&["job", "deploy", "plays", "-n", "shop"]).await.good();
    assert_eq!(out, "job/plays deployed\n");
    let folder = folder(&[("a.yaml", JOB)]);
    fake.on(&format!("PUT {PATH}"), 201, &json!({}));
    let file = folder.path().join("a.yaml");
    let file = file.to_str().unwrap();
    fake.run(&["job", "deploy", "-f", file, "--stopped", "--from-savepoint", "s1"]).await.good();
    let expected =
        [format!("POST {PATH}/deploy"), format!("PUT {PATH}?from_savepoint=s1&stopped=true")];
    assert_eq!(fake.lines(), expected);
}

#[tokio::test]
async fn an_upgrade_that_loses_state_is_refused_with_what_to_do() {
    let fake = Fake::start().await;
    let verdict = json!({
        "detail": "job `plays` would lose state",
        "verdict": {"kind": "partly", "kept": ["window 1"], "dropped": ["join 2"], "new": []},
    });
    fake.problem(&format!("POST {PATH}/upgrade"), 409, "state-incompatible", &verdict);
    let plan = json!({"diff": "+a: 2\n", "verdict": verdict["verdict"]});
    fake.on(&format!("POST {PATH}/plan"), 200, &plan);
    let folder = folder(&[("a.yaml", JOB)]);
    let file = folder.path().join("a.yaml");
    let mut shown = String::new();
    for verb in ["upgrade", "plan"] {
        let ran = fake.run(&["job", verb, "plays", "-f", file.to_str().unwrap()]).await;
        assert_eq!(ran.exit, ExitKind::No);
        shown = format!("{shown}{verb}\n{}{}", ran.out, ran.talk);
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_plan_that_keeps_state_is_good() {
    let fake = Fake::start().await;
    let plan = json!({"diff": "", "verdict": null, "needs": null});
    fake.on(&format!("POST {PATH}/plan"), 200, &plan);
    let folder = folder(&[("a.yaml", JOB)]);
    let out = fake.run(&["job", "plan", "-f", folder.path().to_str().unwrap()]).await.good();
    assert_eq!(out, "job/plays unchanged\n  state: all of it is kept\n");
}

#[tokio::test]
async fn a_sample_may_be_taken_of_bare_sql() {
    let fake = Fake::start().await;
    let rows = json!([
        {"sink": "out", "rows": [{"n": 1, "title": "a"}, {"n": 22, "late": true}], "truncated": true},
        {"sink": "none", "rows": [], "truncated": false},
    ]);
    let request = "POST /v1/namespaces/default/jobs/-/sample";
    fake.on(request, 200, &rows);
    let folder = folder(&[("top.sql", "INSERT INTO out SELECT 1\n")]);
    let file = folder.path().join("top.sql");
    let args = ["job", "sample", "-f", file.to_str().unwrap(), "--events", "100", "--rows", "2"];
    insta::assert_snapshot!(fake.run(&args).await.good());
    let seen = fake.seen().remove(0);
    assert_eq!(seen.line, format!("{request}?events=100&rows=2"));
    let sent: serde_json::Value =
        serde_json::from_str(seen.body.trim_start_matches("---\n")).unwrap();
    assert_eq!(sent["metadata"]["name"], "top");
    assert_eq!(sent["spec"]["sql"], "INSERT INTO out SELECT 1\n");
}

#[tokio::test]
async fn which_job_must_be_clear() {
    let fake = Fake::start().await;
    let two = format!("{JOB}---\n{}", JOB.replace("plays", "other"));
    let folder = folder(&[("a.yaml", &two)]);
    let dir = folder.path().to_str().unwrap();
    let ran = fake.run(&["job", "deploy", "-f", dir]).await;
    assert_eq!(ran.exit, ExitKind::Usage);
    assert_eq!(ran.talk, "error: say which job: plays, other\n");
    fake.on(&format!("PUT {PATH}"), 201, &json!({}));
    fake.run(&["job", "deploy", "plays", "-f", dir]).await.good();
    assert!(!fake.seen()[0].body.contains("other"));
    let ran = fake.run(&["job", "upgrade", "none", "-f", dir]).await;
    assert_eq!(ran.exit, ExitKind::Usage);
}

#[tokio::test]
async fn savepoints_are_made_listed_and_removed() {
    let fake = Fake::start().await;
    let savepoint = |state: serde_json::Value| {
        json!({
            "id": "sp1", "namespace": "shop", "job": "plays", "version": 2, "createdMs": 0,
            "path": "savepoints/shop--plays/sp1", "author": "ada", "state": state,
        })
    };
    let requested = savepoint(json!({"kind": "requested"}));
    let complete = savepoint(json!({"kind": "complete", "checkpoint": 7}));
    fake.on(&format!("POST {PATH}/savepoint"), 202, &requested);
    fake.on(&format!("GET {PATH}/savepoints/sp1"), 200, &requested);
    fake.on(&format!("GET {PATH}/savepoints/sp1"), 200, &complete);
    fake.on(&format!("GET {PATH}/savepoints"), 200, &json!({"items": [complete], "next": null}));
    fake.on(&format!("DELETE {PATH}/savepoints/sp1"), 204, &json!(null));
    let out = fake.run(&["job", "savepoint", "plays", "-n", "shop", "--wait"]).await.good();
    assert_eq!(out, "savepoint/sp1 complete\n");
    insta::assert_snapshot!(fake.run(&["job", "savepoints", "plays", "-n", "shop"]).await.good());
    let args = ["job", "savepoints", "plays", "-n", "shop", "--delete", "sp1"];
    assert_eq!(fake.run(&args).await.good(), "savepoint/sp1 deleted\n");
}

#[tokio::test]
async fn logs_and_rows_are_printed_as_they_come() {
    let fake = Fake::start().await;
    let log = "one\ttwo\n\u{1b}[2Jthree\nlast".to_owned();
    fake.reply(&format!("GET {PATH}/logs"), (200, vec![("content-type", "text/plain")], log));
    let rows = "event: row\ndata: {\"a\":1}\n\n: still here\n\nevent: row\ndata: {\"a\":2}\n\n";
    let media = vec![("content-type", "text/event-stream")];
    fake.reply(&format!("GET {PATH}/tail"), (200, media, rows.to_owned()));
    let out = fake.run(&["job", "logs", "plays", "-n", "shop", "--lines", "9", "-f"]).await.good();
    assert_eq!(out, "one\ttwo\n [2Jthree\nlast\n");
    let out = fake.run(&["job", "tail", "plays", "-n", "shop", "--sink", "out"]).await.good();
    assert_eq!(out, "{\"a\":1}\n{\"a\":2}\n");
    let expected =
        [format!("GET {PATH}/logs?lines=9&follow=true"), format!("GET {PATH}/tail?sink=out")];
    assert_eq!(fake.lines(), expected);
    assert_eq!(fake.seen()[1].header("accept"), Some("text/event-stream"));
}
