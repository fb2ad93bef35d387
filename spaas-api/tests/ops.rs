//! Health, readiness, status and metrics as a probe sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use metrics_exporter_prometheus::PrometheusBuilder;
use millrace_events::Budget;
use millrace_spaas::ops::{
    BUDGET_METRICS, OpsSettings, PROCESS_METRICS, Readiness, Status, router, upkeep,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

#[derive(Default)]
struct Process {
    ready: AtomicBool,
}

impl Readiness for Process {
    fn ready(&self) -> Result<(), Vec<String>> {
        let missing = || vec!["the broker is not reachable".to_owned()];
        self.ready.load(Ordering::Relaxed).then_some(()).ok_or_else(missing)
    }
}

impl Status for Process {
    fn status(&self) -> Value {
        json!({"routes": 3})
    }
}

async fn get(app: &Router, path: &str) -> (u16, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let (parts, body) =
        app.clone().oneshot(request).await.expect("routers do not fail").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn alive_is_not_yet_ready() {
    let process = Arc::new(Process::default());
    let app = router(OpsSettings {
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        budgets: Vec::new(),
        readiness: process.clone(),
        status: process.clone(),
        more: None,
    });
    assert_eq!(get(&app, "/healthz").await.0, 200);
    let (status, headers, body) = get(&app, "/readyz").await;
    assert_eq!(
        (status, headers["content-type"].as_bytes()),
        (503, &b"application/problem+json"[..])
    );
    assert!(body.contains("the broker is not reachable"), "{body}");
    process.ready.store(true, Ordering::Relaxed);
    assert_eq!(get(&app, "/readyz").await.0, 200);
    assert_eq!(get(&app, "/v1/status").await.2, r#"{"routes":3}"#);
}

#[tokio::test]
async fn metrics_show_what_was_recorded_the_process_and_the_budgets() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let process = Arc::new(Process::default());
    let budget = Budget::new("in \"flight\"", 100);
    let _held = budget.try_reserve(40);
    let app = router(OpsSettings {
        metrics: recorder.handle(),
        budgets: vec![budget.clone()],
        readiness: process.clone(),
        status: process,
        more: None,
    });
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("millrace_test_total").increment(2);
    });
    let (status, headers, text) = get(&app, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        headers["content-type"].to_str().expect("text").starts_with("text/plain; version=0.0.4")
    );
    let has = |line: &str| assert!(text.lines().any(|l| l == line), "no `{line}` in:\n{text}");
    has("millrace_test_total 2");
    has(r#"millrace_budget_used_bytes{budget="in \"flight\""} 40"#);
    has(r#"millrace_budget_limit_bytes{budget="in \"flight\""} 100"#);
    for (name, kind) in PROCESS_METRICS.map(|(name, kind, _)| (name, kind)) {
        has(&format!("# TYPE {name} {kind}"));
    }
    for (name, _) in BUDGET_METRICS {
        has(&format!("# TYPE {name} gauge"));
    }
}

#[tokio::test]
async fn upkeep_ends_when_told() {
    let stop = CancellationToken::new();
    let handle = PrometheusBuilder::new().build_recorder().handle();
    stop.cancel();
    upkeep(handle, stop).await;
}
