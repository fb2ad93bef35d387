//! What the control plane serves: the API, ingest, SQL, health and metrics, and who may use it.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use millrace_control::access::Access;
use millrace_control::model::Role;
use millrace_control::reconcile::LiveBoard;
use millrace_control::{Launcher, Observed, watch};
use millrace_events::Clock;
use millrace_http::Problem;
use millrace_spaas::ops;

/// What `/metrics`, `/readyz` and `/v1/status` know.
pub(crate) struct Numbers {
    pub(crate) live: Arc<LiveBoard>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Set once the broker listens and what was asked for at the start is declared.
    pub(crate) ready: Arc<OnceLock<()>>,
}

impl ops::Readiness for Numbers {
    fn ready(&self) -> Result<(), Vec<String>> {
        self.ready.get().copied().ok_or_else(|| vec!["the platform is starting".to_owned()])
    }
}

impl ops::Status for Numbers {
    fn status(&self) -> Value {
        json!({ "jobs": self.live.numbers(self.clock.now_ms()) })
    }
}

#[async_trait]
impl ops::MoreMetrics for Numbers {
    async fn text(&self) -> String {
        watch::render(&self.live.numbers(self.clock.now_ms()))
    }
}

/// `GET /metrics/{job}`: what the job's worker shows of itself.
pub(crate) fn metrics_of_workers(launcher: Arc<dyn Launcher>) -> Router {
    Router::new().route("/metrics/{job}", get(metrics_of)).with_state(launcher)
}

async fn metrics_of(
    State(launcher): State<Arc<dyn Launcher>>,
    Path(job): Path<String>,
) -> Result<String, Problem> {
    let missing = || {
        Problem::new(StatusCode::NOT_FOUND, "not-running", "Not running")
            .detail("no worker of a job of this qualified name is alive")
    };
    // Any run will do: the one that is alive is named in the answer.
    let Ok(Observed::Alive { run, .. }) = launcher.observe(&job, "-").await else {
        return Err(missing());
    };
    launcher.metrics(&job, &run).await.map_err(|_| missing())
}

/// What anybody may ask, wherever from: whether the process lives and works.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Who may send events, ask questions and look at metrics.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) access: Access,
    /// Whether a caller without a token may: on loopback, those who can connect may.
    pub(crate) open: bool,
}

/// Lets through who may do what `role` may, everywhere: events and tables of all namespaces are
/// behind these doors.
pub(crate) fn guarded(doors: Doors, role: Role, app: Router) -> Router {
    app.layer(middleware::from_fn_with_state((doors, role), enter))
}

async fn enter(
    State((doors, role)): State<(Doors, Role)>,
    request: Request,
    next: Next,
) -> Response {
    if PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match may(&doors, role, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn may(doors: &Doors, role: Role, headers: &HeaderMap) -> Result<(), Problem> {
    let anonymous = !headers.contains_key(axum::http::header::AUTHORIZATION);
    if anonymous && doors.open {
        return Ok(());
    }
    doors.access.authenticate(headers).await?.require_everywhere(role)
}
