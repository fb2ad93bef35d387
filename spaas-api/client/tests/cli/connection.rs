//! Which server, which token, further tries, exit codes.

use std::sync::{Arc, Mutex};

use millrace_client::ExitKind;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::support::{CANARY, Fake, folder, run};

const WHO: &str = "GET /v1/whoami";

#[tokio::test]
async fn every_refusal_has_its_exit_code() {
    let cases = [
        (400, "bad-query", ExitKind::Failed),
        (400, "sql-invalid", ExitKind::No),
        (401, "unauthenticated", ExitKind::NotAllowed),
        (403, "forbidden", ExitKind::NotAllowed),
        (404, "not-found", ExitKind::NotFound),
        (409, "owned-elsewhere", ExitKind::Conflict),
        (409, "state-incompatible", ExitKind::No),
        (412, "stale", ExitKind::Conflict),
        (413, "too-large", ExitKind::Failed),
        (500, "corrupt", ExitKind::Failed),
        (503, "unavailable", ExitKind::Unreachable),
    ];
    for (status, kind, exit) in cases {
        let fake = Fake::start().await;
        fake.problem(WHO, status, kind, &json!({"detail": "so it is", "current": 12}));
        let ran = fake.run(&["whoami"]).await;
        assert_eq!((ran.exit, ran.out.as_str()), (exit, ""), "{status} {kind}");
        assert!(ran.talk.starts_with("error: It is not right: so it is\n"), "{ran:?}");
        let tries = if status == 503 { 4 } else { 1 };
        assert_eq!(fake.lines().len(), tries, "{status} {kind}");
    }
}

#[tokio::test]
async fn what_is_no_problem_document_is_told_too() {
    let fake = Fake::start().await;
    fake.reply(WHO, (418, Vec::new(), "short \u{1b}[2Jand stout".to_owned()));
    let ran = fake.run(&["whoami"]).await;
    assert_eq!(ran.talk, "error: the server answers 418: short  [2Jand stout\n");
}

#[tokio::test]
async fn nobody_there_is_an_exit_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = run(&["whoami", "--server", &server], &[], "").await;
    assert_eq!(ran.exit, ExitKind::Unreachable);
    assert!(ran.talk.contains("does not answer"), "{ran:?}");
    let folder = folder(&[]);
    let ran = run(&["whoami", "--data", folder.path().to_str().unwrap()], &[], "").await;
    assert_eq!(ran.exit, ExitKind::Unreachable);
    assert!(ran.talk.contains("millrace up"), "{ran:?}");
}

/// Closes its first connections once the request is there; answers those after.
async fn unsteady(closes: usize) -> (String, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for number in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut buffer = [0; 1024];
                let read = socket.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the request ends early");
                request.extend_from_slice(&buffer[..read]);
            }
            seen.lock().unwrap().push(String::from_utf8(request).unwrap());
            if number >= closes {
                let answer =
                    b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                socket.write_all(answer).await.unwrap();
            }
        }
    });
    (server, requests, tasks)
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_sent_again_with_the_same_key() {
    let (server, requests, _tasks) = unsteady(2).await;
    let args = ["job", "restart", "plays", "--server", &server];
    run(&args, &[], "").await.good();
    let requests = requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert!(request.contains("idempotency-key: key-1\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_change_that_is_still_being_done_is_waited_for() {
    let fake = Fake::start().await;
    let request = "POST /v1/namespaces/default/jobs/plays/savepoint";
    fake.problem(request, 503, "unavailable", &json!({}));
    for _ in 0..5 {
        fake.problem(request, 409, "idempotency-in-flight", &json!({}));
    }
    fake.on(request, 202, &json!({"id": "s1", "state": {"kind": "complete", "checkpoint": 1}}));
    let out = fake.run(&["job", "savepoint", "plays"]).await.good();
    assert_eq!(out, "savepoint/s1 complete\n");
    let seen = fake.seen();
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|seen| seen.header("idempotency-key") == Some("key-1")));
}

#[tokio::test]
async fn a_change_that_is_never_answered_is_given_up() {
    let (server, requests, _tasks) = unsteady(usize::MAX).await;
    let ran = run(&["job", "restart", "plays", "--server", &server], &[], "").await;
    assert_eq!(ran.exit, ExitKind::Unreachable);
    assert_eq!(requests.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn the_platform_of_the_data_folder_is_found_with_its_token() {
    let fake = Fake::start().await;
    fake.on(WHO, 200, &json!({"name": "admin", "bindings": []}));
    let run_file = json!({"pid": 1, "http": fake.address, "kafka": "x"}).to_string();
    let folder =
        folder(&[("run.json", &run_file), ("admin.token", "mlr_canary_0123456789abcdef\n")]);
    let data = folder.path().to_str().unwrap();
    run(&["whoami", "--data", data], &[], "").await.good();
    let given = folder.path().join("given");
    std::fs::write(&given, "mlr_given_1").unwrap();
    let args = ["whoami", "--data", data, "--token-file", given.to_str().unwrap()];
    run(&args, &[("MILLRACE_TOKEN", "mlr_env_1")], "").await.good();
    run(&["whoami", "--data", data], &[("MILLRACE_TOKEN", "mlr_env_1")], "").await.good();
    let shown: Vec<String> =
        fake.seen().iter().map(|s| s.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(shown, [&format!("Bearer {CANARY}"), "Bearer mlr_given_1", "Bearer mlr_env_1"]);
}

#[tokio::test]
async fn a_token_is_not_sent_in_the_clear_to_other_machines() {
    let env: &[_] = &[("MILLRACE_TOKEN", CANARY)];
    for server in
        ["http://203.0.113.7:8080", "http://localhost.example.org", "http://[2001:db8::1]"]
    {
        let ran = run(&["whoami", "--server", server], env, "").await;
        assert_eq!(ran.exit, ExitKind::Usage, "{server}");
        assert!(ran.talk.contains("--insecure"), "{ran:?}");
    }
    for server in ["ftp://127.0.0.1", "http://ada:secret@127.0.0.1"] {
        let ran = run(&["whoami", "--server", server], env, "").await;
        assert_eq!(ran.exit, ExitKind::Usage, "{server}");
        assert!(!ran.talk.contains("secret"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    let target: &'static str = Box::leak(format!("http://{}/v1/whoami", other.address).into());
    fake.reply(WHO, (307, vec![("location", target)], String::new()));
    assert_eq!(fake.run(&["whoami"]).await.exit, ExitKind::Failed);
    assert!(other.lines().is_empty());
}

#[tokio::test]
async fn completions_know_the_whole_command_line() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell], &[], "").await.good();
        assert!(script.contains("audit-log") && script.contains("rollback"), "{shell}");
    }
}
