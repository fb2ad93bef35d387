//! How the process is doing: metrics for Prometheus, liveness, readiness, status as JSON.
//!
//! | path | answer |
//! |---|---|
//! | `GET /metrics` | Prometheus text: everything recorded through `metrics`, [`PROCESS_METRICS`],
//! [`BUDGET_METRICS`] |
//! | `GET /healthz` | 200 while the process can answer at all |
//! | `GET /readyz` | 200 when [`Readiness`] says so, else 503 with the reasons |
//! | `GET /v1/status` | what [`Status`] says, as it is |

mod metrics;
mod process;

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use millrace_events::Budget;
use serde_json::{Value, json};

use millrace_http::problem::{ItemError, Problem};

pub use self::metrics::{BUDGET_METRICS, MetricsError, install_metrics, render, upkeep};
pub use self::process::{PROCESS_METRICS, ProcessUsage, process_usage};

/// Whether the process can do its work now.
pub trait Readiness: Send + Sync {
    /// `Err` lists what is missing, for a person. Must answer at once.
    fn ready(&self) -> Result<(), Vec<String>>;
}

/// What the process says about itself.
pub trait Status: Send + Sync {
    /// The current status. Must answer at once.
    fn status(&self) -> Value;
}

/// Metrics of others, shown beside the process's own.
#[async_trait]
pub trait MoreMetrics: Send + Sync {
    /// Prometheus text, with metrics that the process does not record itself.
    async fn text(&self) -> String;
}

/// What the endpoints show.
#[derive(Clone)]
pub struct OpsSettings {
    /// The recorder behind `/metrics`.
    pub metrics: PrometheusHandle,
    /// The memory budgets shown in `/metrics`.
    pub budgets: Vec<Budget>,
    /// Decides `/readyz`.
    pub readiness: Arc<dyn Readiness>,
    /// Answers `/v1/status`.
    pub status: Arc<dyn Status>,
    /// Added to `/metrics`.
    pub more: Option<Arc<dyn MoreMetrics>>,
}

/// The endpoints.
pub fn router(settings: OpsSettings) -> Router {
    let OpsSettings { metrics, budgets, readiness, status, more } = settings;
    let render = move || {
        let mut text = self::metrics::render(&metrics, &budgets);
        let more = more.clone();
        async move {
            if let Some(more) = more {
                text.push_str(&more.text().await);
            }
            text_answer(text)
        }
    };
    Router::new()
        .route("/metrics", get(render))
        .route("/healthz", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/readyz", get(move || std::future::ready(ready_answer(readiness.as_ref()))))
        .route("/v1/status", get(move || std::future::ready(Json(status.status()))))
}

fn text_answer(text: String) -> Response {
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, plain)], text).into_response()
}

fn ready_answer(readiness: &dyn Readiness) -> Response {
    match readiness.ready() {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(reasons) => {
            let errors: Vec<_> = reasons.into_iter().map(ItemError::new).collect();
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready")
                .detail("the process is alive but cannot do its work yet; see errors")
                .errors(&errors)
                .into_response()
        }
    }
}
