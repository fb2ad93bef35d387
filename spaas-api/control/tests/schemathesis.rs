//! Schemathesis against the live API: no 5xx, and nothing but what the OpenAPI document says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "api/engine.rs"]
mod engine;
#[path = "api/support.rs"]
#[expect(dead_code, reason = "the tests of the API use the rest")]
mod support;

use std::path::Path;

use millrace_control::model::{JobPhase, JobStatus};

use support::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let server = Server::start().await;
    // Nobody brings jobs to what is wanted here; without a status, `wait` would take its full time.
    let key = ("default".to_owned(), "plays".to_owned());
    let status = JobStatus {
        phase: JobPhase::Running,
        reason: None,
        observed_goal: i64::MAX,
        observed_generation: Some(1),
        run: Some("run-1".to_owned()),
        restarts: 0,
        failures: 0,
        next_start_ms: None,
        worker: None,
    };
    server.board.0.lock().unwrap().insert(key, status);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/schemathesis/run.sh");
    let run = tokio::process::Command::new(script)
        .args([&server.url, &server.admin])
        .env("EXAMPLES", "15")
        .output();
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
}
