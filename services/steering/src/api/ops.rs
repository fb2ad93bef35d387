//! How the service is: metrics, liveness, readiness, status.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use millrace_feeds::FeedStatus;
use millrace_http::Problem;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::feeds::Stale;
use crate::fleet::FleetSize;

use super::router::Api;
use super::why::unauthorized;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusAnswer {
    /// How big the fleet is.
    fleet: FleetSize,
    /// Ranges of addresses whose AS is known.
    ranges: usize,
    /// Rows of feeds that could not be taken.
    rows_skipped: u64,
    /// Not there while health is fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
    /// How far each feed is.
    feeds: Vec<FeedStatus>,
}

/// How big the fleet is, and how far each feed is.
#[utoipa::path(get, path = "/v1/status", tag = "Admin",
    responses((status = 200, description = "How the service is", body = StatusAnswer)))]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Json<StatusAnswer>, Problem> {
    if !api.parts.admin.admits(&headers) {
        return Err(unauthorized());
    }
    let (desk, fleet) = (&api.parts.desk, api.parts.desk.fleet());
    Ok(Json(StatusAnswer {
        fleet: fleet.size(),
        ranges: fleet.asn.len(),
        rows_skipped: desk.skipped(),
        stale: desk.freshness().stale(
            api.parts.clock.now_ms(),
            fleet.roster.newest_report_ms(),
            api.parts.settings.stale_after,
        ),
        feeds: api.parts.feeds.as_ref().map(millrace_feeds::Statuses::all).unwrap_or_default(),
    }))
}

/// For load balancers and Prometheus.
pub(super) fn probes() -> Router<Arc<Api>> {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready as soon as there is an appliance to name; stale health does not make it unready, since the
/// last that was known is better than no answer.
async fn ready(State(api): State<Arc<Api>>) -> Response {
    if api.parts.desk.fleet().roster.serving() > 0 {
        return Json(json!({ "status": "ready" })).into_response();
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready")
        .detail("no appliance that may serve is known yet")
        .into_response()
}

async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    if !api.parts.admin.admits(&headers) {
        return Err(unauthorized());
    }
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(CONTENT_TYPE, plain)], api.parts.metrics.render()).into_response())
}
