//! `apply`, `diff` and `delete`.

use millrace_client::ExitKind;
use serde_json::json;

use super::support::{CANARY, Fake, folder, run, without};

const MANIFESTS: &str = "\
kind: Stream
metadata: {name: clicks}
spec: {format: json, columns: []}
---
kind: Job
metadata: {name: plays, namespace: shop}
spec:
  sql_file: plays.sql
";
const SQL: &str = "INSERT INTO out\nSELECT titel FROM clicks\n";
const APPLY: &str = "POST /v1/namespaces/shop/apply";
const STATUS: &str = "GET /v1/namespaces/shop/jobs/plays/status";

fn results() -> serde_json::Value {
    json!({"results": [
        {"kind": "Stream", "name": "clicks", "outcome": "created", "diff": "+ all\n"},
        {"kind": "Job", "name": "plays", "outcome": "configured", "diff": "+ sql\n"},
    ]})
}

fn status(phase: &str, observed: i64) -> serde_json::Value {
    json!({
        "goal": {"goal": 4, "desired": "running", "version": 2},
        "status": {"phase": phase, "observedGoal": observed, "restarts": 0, "reason": "because"},
    })
}

#[tokio::test]
async fn all_manifests_go_in_one_request() {
    let fake = Fake::start().await;
    let mut results = results();
    results["results"][1]["warnings"] = json!(["no key"]);
    fake.on(APPLY, 200, &results);
    let folder = folder(&[("a.yaml", MANIFESTS), ("plays.sql", SQL)]);
    let dir = folder.path().to_str().unwrap();
    let ran = fake.run(&["apply", "-f", dir, "-n", "shop", "--reason", "a & b"]).await;
    let talk = "job/plays: warning: no key\nnext: millrace job status plays -n shop\n";
    assert_eq!(ran.talk, talk);
    assert_eq!(ran.good(), "stream/clicks created\njob/plays configured\n");
    let seen = fake.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, format!("{APPLY}?reason=a+%26+b"));
    assert_eq!(seen[0].header("idempotency-key"), Some("key-1"));
    assert_eq!(seen[0].header("content-type"), Some("application/yaml"));
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    assert!(seen[0].body.contains(r#""sql": "INSERT INTO out\nSELECT titel"#), "{}", seen[0].body);
}

#[tokio::test]
async fn a_dry_run_says_so_and_answers_come_in_other_forms() {
    let fake = Fake::start().await;
    fake.on(APPLY, 200, &results());
    let folder = folder(&[("a.yaml", MANIFESTS), ("plays.sql", SQL)]);
    let file = folder.path().join("a.yaml");
    let args = ["apply", "-f", file.to_str().unwrap(), "-n", "shop", "--dry-run", "--wait"];
    let out = fake.run(&args).await.good();
    assert_eq!(out, "stream/clicks created (dry run)\njob/plays configured (dry run)\n");
    assert_eq!(fake.lines(), [format!("{APPLY}?dry_run=true")]);
    let mut forms = String::new();
    for form in ["json", "yaml", "name"] {
        let mut args = args.to_vec();
        args.extend(["-o", form]);
        forms = format!("{forms}-o {form}\n{}", fake.run(&args).await.good());
    }
    insta::assert_snapshot!(forms);
}

#[tokio::test]
async fn documents_go_to_their_namespaces_and_namespaces_come_first() {
    let fake = Fake::start().await;
    let text = format!("{MANIFESTS}---\nkind: Namespace\nmetadata: {{name: shop}}\n");
    fake.reply(
        "PUT /v1/namespaces/shop",
        (201, vec![("millrace-outcome", "created")], "{}".to_owned()),
    );
    for ns in ["default", "shop"] {
        fake.on(&format!("POST /v1/namespaces/{ns}/apply"), 200, &json!({"results": []}));
    }
    let folder = folder(&[("a.yaml", &text), ("plays.sql", SQL)]);
    let out = fake.run(&["apply", "-f", folder.path().to_str().unwrap()]).await.good();
    assert_eq!(out, "namespace/shop created\n");
    let expected = ["PUT /v1/namespaces/shop", "POST /v1/namespaces/default/apply", APPLY];
    assert_eq!(fake.lines(), expected);
    let seen = fake.seen();
    let keys: Vec<_> = seen.iter().map(|seen| seen.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys, ["key-1", "key-2", "key-3"]);
    assert!(seen[1].body.contains("clicks}") && !seen[1].body.contains("plays"));
    assert!(!seen[2].body.contains("clicks}") && seen[2].body.contains("plays"));
}

#[tokio::test]
async fn a_dry_run_does_not_stumble_over_a_namespace_that_is_new() {
    let fake = Fake::start().await;
    let text = "kind: Namespace\nmetadata: {name: shop}\n---\nkind: Stream\nmetadata:\n  \
        {name: s, namespace: shop}\nspec: {}\n";
    fake.reply(
        "PUT /v1/namespaces/shop",
        (200, vec![("millrace-outcome", "created")], "{}".to_owned()),
    );
    fake.problem(APPLY, 404, "not-found", &json!({}));
    let folder = folder(&[("a.yaml", text)]);
    let ran = fake.run(&["apply", "--dry-run", "-f", folder.path().to_str().unwrap()]).await;
    assert!(ran.talk.starts_with("what is in namespace shop can be checked once"), "{ran:?}");
    assert_eq!(ran.good(), "namespace/shop created (dry run)\n");
    let ran = fake.run(&["apply", "-f", folder.path().to_str().unwrap()]).await;
    assert_eq!(ran.exit, ExitKind::NotFound);
}

#[tokio::test]
async fn mistakes_are_shown_where_they_are() {
    let fake = Fake::start().await;
    let errors = json!({"errors": [
        {"index": 0, "pointer": "/spec/columns", "line": 4, "column": 22,
            "message": "a stream has columns", "hint": "list at least one"},
        {"index": 1, "pointer": "/metadata/namespace", "message": "not this one"},
    ]});
    fake.problem(APPLY, 400, "manifest-invalid", &errors);
    let sql = json!({"errors": [
        {"index": 1, "pointer": "/spec/sql", "line": 2, "column": 8,
            "message": "no column `titel`", "hint": "did you mean `title`?"},
    ]});
    fake.problem(APPLY, 400, "sql-invalid", &sql);
    let folder = folder(&[("a.yaml", MANIFESTS), ("plays.sql", SQL)]);
    let args = ["apply", "-n", "shop", "-f", folder.path().to_str().unwrap()];
    let mut shown = String::new();
    for _ in 0..2 {
        let ran = fake.run(&args).await;
        assert_eq!((ran.exit, ran.out.as_str()), (ExitKind::No, ""));
        shown.push_str(&without(&ran.talk, &folder));
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn waiting_ends_when_the_jobs_rest() {
    for (phases, wait, exit, says) in [
        (vec![("starting", 4), ("running", 4)], "--wait", ExitKind::Done, "is running"),
        (vec![("running", 3), ("finished", 4)], "--wait=5s", ExitKind::Done, "is finished"),
        (vec![("starting", 4), ("failed", 4)], "--wait", ExitKind::Failed, "is failed: because"),
        (vec![("starting", 4)], "--wait=50ms", ExitKind::TimedOut, "is starting: because after"),
    ] {
        let fake = Fake::start().await;
        fake.on(APPLY, 200, &results());
        for (phase, observed) in phases {
            fake.on(STATUS, 200, &status(phase, observed));
        }
        let folder = folder(&[("a.yaml", MANIFESTS), ("plays.sql", SQL)]);
        let dir = folder.path().to_str().unwrap();
        let ran = fake.run(&["apply", "-n", "shop", "-f", dir, wait]).await;
        assert_eq!(ran.exit, exit, "{ran:?}");
        assert!(ran.talk.contains(says), "{ran:?}");
    }
}

#[tokio::test]
async fn differences_are_an_exit_code() {
    let fake = Fake::start().await;
    let diff = "--- jobs/plays\n+++ jobs/plays\n@@ -1,2 +1,2 @@\n kind: Job\n-a: 1\n+a: 2\n";
    let found = |outcome: &str, diff: &str| {
        let job = json!({"kind": "Job", "name": "plays", "outcome": outcome, "diff": diff});
        json!({"results": [job]})
    };
    let request = "POST /v1/namespaces/shop/diff";
    fake.on(request, 200, &found("configured", diff)).on(request, 200, &found("unchanged", ""));
    let folder = folder(&[("a.yaml", MANIFESTS), ("plays.sql", SQL)]);
    let args = ["diff", "-n", "shop", "-f", folder.path().to_str().unwrap()];
    let ran = fake.run(&args).await;
    assert_eq!((ran.exit, ran.out.as_str()), (ExitKind::No, diff));
    let ran = fake.run(&args).await;
    assert_eq!((ran.exit, ran.out.as_str()), (ExitKind::Done, ""));
    assert_eq!(fake.seen()[0].header("idempotency-key"), None);
}

#[tokio::test]
async fn manifests_are_deleted_from_the_end() {
    let fake = Fake::start().await;
    fake.on("DELETE /v1/namespaces/shop/jobs/plays", 202, &json!({}));
    // The job is there until its run has ended.
    fake.on("GET /v1/namespaces/shop/jobs/plays", 200, &json!({}));
    fake.problem("GET /v1/namespaces/shop/jobs/plays", 404, "not-found", &json!({}));
    let folder = folder(&[("a.yaml", MANIFESTS), ("plays.sql", SQL)]);
    let dir = folder.path().to_str().unwrap();
    let ran = fake.run(&["delete", "-n", "shop", "-f", dir, "--reason", "old"]).await;
    assert_eq!(ran.good(), "job/plays deleted\nstream/clicks not found\n");
    let expected = [
        "DELETE /v1/namespaces/shop/jobs/plays?reason=old",
        "GET /v1/namespaces/shop/jobs/plays",
        "GET /v1/namespaces/shop/jobs/plays",
        "DELETE /v1/namespaces/shop/streams/clicks?reason=old",
    ];
    assert_eq!(fake.lines(), expected);
    let ran = fake.run(&["delete", "job", "gone"]).await;
    assert_eq!(ran.exit, ExitKind::NotFound);
}

#[tokio::test]
async fn somebody_at_a_terminal_is_asked_first() {
    let fake = Fake::start().await;
    let request = "DELETE /v1/namespaces/default/jobs/plays";
    fake.on(request, 202, &json!({}));
    let server = format!("http://{}", fake.address);
    let args = ["delete", "job", "plays", "--if-version", "7", "--server", &server];
    let ran = run(&args, &[], "n\n").await;
    assert_eq!((ran.exit, fake.lines().len()), (ExitKind::No, 0));
    assert!(ran.talk.starts_with("delete job/plays? [y/N] "), "{ran:?}");
    run(&args, &[], "y\n").await.good();
    let mut sure = args.to_vec();
    sure.push("--yes");
    run(&sure, &[], "n\n").await.good();
    assert_eq!(fake.lines(), [request, request]);
    assert_eq!(fake.seen()[0].header("if-match"), Some("\"7\""));
}

#[tokio::test]
async fn waiting_for_a_removal_ends_when_it_is_gone() {
    let fake = Fake::start().await;
    let path = "/v1/namespaces/default/jobs/plays";
    fake.on(&format!("DELETE {path}"), 202, &json!({}));
    fake.on(&format!("GET {path}"), 200, &json!({}));
    fake.problem(&format!("GET {path}"), 404, "not-found", &json!({}));
    fake.run(&["delete", "job", "plays", "--wait"]).await.good();
    assert_eq!(fake.lines().len(), 3);
}
