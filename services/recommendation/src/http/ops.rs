//! How the service is doing.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use millrace_feeds::FeedStatus;
use millrace_http::{ItemError, Problem};

use crate::service::Desk;

/// What the service knows of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// Titles in the catalogue.
    titles: usize,
    /// Members whose country is known.
    members: usize,
    /// Members with a history.
    histories: usize,
    /// Feeds that are not up to date at the moment.
    stale: Vec<String>,
    /// Every feed.
    feeds: Vec<FeedStatus>,
}

/// What the service knows, and how far its feeds are.
#[utoipa::path(get, path = "/v1/status", tag = "Service", operation_id = "status",
    responses((status = 200, description = "The status", body = Status)))]
pub(crate) async fn status(State(desk): State<Desk>) -> Json<Status> {
    Json(Status {
        titles: desk.shelves.catalogue.len(),
        members: desk.shelves.members.len(),
        histories: desk.shelves.histories.len(),
        stale: desk.stale.load().to_vec(),
        feeds: desk.statuses.all(),
    })
}

pub(crate) async fn metrics(State(desk): State<Desk>) -> Response {
    let text = desk.metrics.map(|recorder| recorder.render()).unwrap_or_default();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// Ready is who can answer with more than a static list: from the store or from the topics.
pub(crate) async fn ready(State(desk): State<Desk>) -> Response {
    let empty = desk.statuses.all().into_iter().filter(|s| s.records == 0 && !s.caught_up);
    let missing: Vec<_> = empty.map(|s| s.feed).collect();
    if missing.len() < desk.statuses.all().len() {
        return Json(json!({ "status": "ready", "empty": missing })).into_response();
    }
    let reasons: Vec<_> = missing
        .iter()
        .map(|feed| ItemError::new(format!("feed `{feed}` has no rows yet")))
        .collect();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready")
        .detail("no feed has been read yet; pages are static")
        .errors(&reasons)
        .into_response()
}
