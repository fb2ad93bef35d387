//! `get`, `describe`, `events`, `versions`, `top`, `job status`, `job metrics`.

use millrace_client::ExitKind;
use serde_json::{Value, json};

use super::support::{Fake, check_the_command_line, help};

const NS: &str = "/v1/namespaces/shop";

fn resource(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "kind": kind, "spec": spec,
        "metadata": {
            "namespace": "shop", "name": name, "uid": "u", "generation": 2, "resourceVersion": 9,
            "labels": {"team": "growth"}, "createdMs": 0, "updatedMs": 60_000,
        },
    })
}

fn status() -> Value {
    json!({
        "goal": {
            "goal": 4, "desired": "running", "version": 2, "restarts": 0, "state": "keep",
            "parallelism": 2,
        },
        "status": {
            "phase": "restarting", "reason": "crash loop: out of memory", "observedGoal": 3,
            "observedGeneration": 1, "run": "r7", "restarts": 5, "failures": 3,
            "nextStartMs": 120_000,
            "worker": {
                "run": "r7", "pid": 1, "phase": "running", "atMs": 0, "stateBytes": 2048,
                "cpuSeconds": 1.5, "rssBytes": 1_048_576, "lastFailure": null,
                "checkpoint":
                    {"number": 3, "completedMs": 90_000, "durationUs": 1500, "bytes": 4096},
                "sources": [{
                    "name": "clicks", "rows": 12_345, "bytes": 1, "lag": 7,
                    "watermarkMs": 80_000, "late": 1, "deadLetters": 0,
                }],
                "sinks": [{"name": "out", "rows": 10, "bytes": 100}],
            },
        },
    })
}

fn numbers(job: &str, phase: &str, events_in: u64, cpu: f64) -> Value {
    json!({
        "namespace": "shop", "job": job, "phase": phase, "version": 2, "restarts": 1,
        "eventsIn": events_in, "bytesIn": 1, "rowsOut": 10, "bytesOut": 1, "lag": 5,
        "watermarkDelayMs": 1500, "checkpointDurationUs": 2500, "checkpointBytes": 4096,
        "checkpointAgeMs": 900, "stateBytes": 2048, "late": 3, "deadLetters": 0,
        "cpuSeconds": cpu, "rssBytes": 1_048_576,
    })
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let fake = Fake::start().await;
    let page = |name: &str, next: Value| {
        let job = resource("Job", name, &json!({"sql": "SELECT 1"}));
        json!({"items": [job], "next": next})
    };
    let list = format!("GET {NS}/jobs");
    fake.on(&format!("{list}?label=team%3Dgrowth"), 200, &page("plays", json!("plays")));
    fake.on(&format!("{list}?label=team%3Dgrowth&after=plays"), 200, &page("views", json!(null)));
    fake.on("GET /v1/overview", 200, &json!({"jobs": [numbers("plays", "running", 0, 0.0)]}));
    let args = ["get", "jobs", "-n", "shop", "-l", "team=growth"];
    insta::assert_snapshot!(fake.run(&args).await.good());
    let mut names = args.to_vec();
    names.extend(["-o", "name"]);
    assert_eq!(fake.run(&names).await.good(), "job/plays\njob/views\n");
    names.extend(["-l", "team=none"]);
    assert_eq!(fake.run(&names).await.good(), "");
}

#[tokio::test]
async fn each_kind_has_its_columns() {
    let fake = Fake::start().await;
    let list = |items: Value| json!({"items": items, "next": null});
    fake.on("GET /v1/namespaces", 200, &list(json!([resource("Namespace", "shop", &json!({}))])));
    let stream = resource("Stream", "clicks", &json!({"columns": [{"name": "a"}]}));
    fake.on(&format!("GET {NS}/streams"), 200, &list(json!([stream])));
    let route = json!({"from": "clicks", "to": {"table": "raw.clicks"}});
    fake.on(&format!("GET {NS}/routes"), 200, &list(json!([resource("Route", "raw", &route)])));
    let table = json!({
        "name": "raw.clicks", "writers": ["routes/raw"],
        "table": {"rows": 123_456, "bytes": 2048, "version": 3},
    });
    fake.on(&format!("GET {NS}/tables"), 200, &list(json!([table])));
    fake.on(&format!("GET {NS}/connections"), 200, &list(json!([])));
    let mut shown = String::new();
    for kind in ["ns", "streams", "route", "Tables"] {
        shown.push_str(&fake.run(&["get", kind, "-A"]).await.good());
        shown.push('\n');
    }
    insta::assert_snapshot!(shown);
    let ran = fake.run(&["get", "connections", "-n", "shop"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (ExitKind::Done, ""));
    assert_eq!(ran.talk, "nothing found\n");
}

#[tokio::test]
async fn one_thing_comes_as_it_was_declared() {
    let fake = Fake::start().await;
    let job = resource("Job", "plays", &json!({"sql": "INSERT INTO out\nSELECT 1\n"}));
    fake.on(&format!("GET {NS}/jobs/plays"), 200, &job);
    let out = fake.run(&["get", "job", "plays", "-n", "shop", "-o", "yaml"]).await.good();
    insta::assert_snapshot!(out);
    let out = fake.run(&["get", "job", "plays", "-n", "shop", "-o", "json"]).await.good();
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), job);
    let ran = fake.run(&["get", "job", "gone", "-n", "shop"]).await;
    assert_eq!(ran.exit, ExitKind::NotFound);
}

#[tokio::test]
async fn a_job_is_described_on_a_page() {
    let fake = Fake::start().await;
    let path = format!("GET {NS}/jobs/plays");
    fake.on(&path, 200, &resource("Job", "plays", &json!({"sql": "INSERT INTO out SELECT 1"})));
    fake.on(&format!("{path}/status"), 200, &status());
    let run = json!({
        "id": "r7", "version": 1, "state": "ended", "startedMs": 1000, "endedMs": 2000,
        "end": {"kind": "lost", "reason": "killed by signal 9"},
    });
    fake.on(&format!("{path}/runs"), 200, &json!({"items": [run], "next": null}));
    fake.on(&format!("{path}/savepoints"), 200, &json!({"items": [], "next": null}));
    let version = json!({"generation": 2, "spec": {}, "author": "ada", "atMs": 60_000});
    fake.on(&format!("{path}/versions"), 200, &json!({"items": [version], "next": null}));
    let event = json!({
        "seq": 1, "atMs": 60_000, "level": "warning", "namespace": "shop", "kind": "Job",
        "name": "plays", "what": "CrashLoop", "message": "it fails\nagain", "author": "reconciler",
    });
    fake.on(&format!("{path}/events"), 200, &json!({"items": [event], "next": null}));
    insta::assert_snapshot!(fake.run(&["describe", "job", "plays", "-n", "shop"]).await.good());
    let out = fake.run(&["describe", "job", "plays", "-n", "shop", "-o", "json"]).await.good();
    let whole: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(whole["status"], status());
    let out = fake.run(&["job", "status", "plays", "-n", "shop"]).await.good();
    assert!(out.starts_with("job/plays\n  phase      restarting\n"), "{out}");
}

#[tokio::test]
async fn history_is_shown() {
    let fake = Fake::start().await;
    let event = |seq: i64| {
        json!({
            "seq": seq, "atMs": 0, "level": "normal", "namespace": "shop", "kind": "Job",
            "name": "plays", "what": "Deployed", "message": "version 1", "author": "ada",
        })
    };
    let events = json!({"items": [event(1), event(2)], "next": null});
    fake.on(&format!("GET {NS}/events"), 200, &events);
    fake.on(&format!("GET {NS}/jobs/plays/events"), 200, &events);
    let version = |n: i64| json!({"generation": n, "spec": {"n": n}, "author": "ada", "atMs": 0});
    let versions = json!({"items": [version(1), version(2)], "next": null});
    fake.on(&format!("GET {NS}/jobs/plays/versions"), 200, &versions);
    fake.on(&format!("GET {NS}/jobs/plays/versions/1"), 200, &version(1));
    let mut shown = fake.run(&["events", "-n", "shop"]).await.good();
    shown.push_str(&fake.run(&["versions", "job", "plays", "-n", "shop"]).await.good());
    shown.push_str(&fake.run(&["versions", "job", "plays", "1", "-n", "shop"]).await.good());
    insta::assert_snapshot!(shown);
    let newest = fake.run(&["events", "-n", "shop", "--last", "1", "-o", "json"]).await.good();
    assert_eq!(serde_json::from_str::<Value>(&newest).unwrap(), json!({"items": [event(2)]}));
    fake.run(&["events", "job", "plays", "-n", "shop", "--after", "1"]).await.good();
    assert_eq!(fake.lines().pop().unwrap(), format!("GET {NS}/jobs/plays/events?after=1"));
}

#[tokio::test]
async fn top_shows_what_there_is_per_second() {
    let fake = Fake::start().await;
    let first = json!([numbers("plays", "running", 1000, 1.0)]);
    let other = numbers("new", "starting", 9, 0.0);
    let second = json!([numbers("plays", "running", 3500, 1.5), other]);
    for _ in 0..2 {
        fake.on("GET /v1/overview", 200, &json!({"jobs": first}));
        fake.on("GET /v1/overview", 200, &json!({"jobs": second}));
    }
    let out = fake.run(&["top", "--once", "--interval", "1ms"]).await.good();
    insta::assert_snapshot!(out);
    let out = fake.run(&["top", "--once", "--interval", "1ms", "-o", "json"]).await.good();
    let jobs: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(jobs["jobs"][1]["eventsInPerSecond"], 2500.0);
}

#[tokio::test]
async fn a_job_in_numbers_is_a_number_a_line() {
    let fake = Fake::start().await;
    let metrics = json!({"lag": 5, "sources": [{"name": "clicks", "rows": 7}], "since": null});
    fake.on(&format!("GET {NS}/jobs/plays/metrics"), 200, &metrics);
    let out = fake.run(&["job", "metrics", "plays", "-n", "shop"]).await.good();
    let lines: Vec<Vec<&str>> = out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["sources.clicks.rows", "7"]), "{out}");
    assert!(lines.contains(&vec!["lag", "5"]), "{out}");
}

#[test]
fn help_documents_the_exit_codes() {
    check_the_command_line();
    let commands: [&[&str]; 5] =
        [&["apply"], &["get"], &["job", "deploy"], &["token", "create"], &["top"]];
    for command in commands {
        let text = help(command);
        assert!(text.contains("Exit codes:") && text.contains("8  the server"), "{text}");
    }
}
