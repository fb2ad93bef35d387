//! The paths, wired.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use millrace_http::Problem;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gate::Gate;
use super::numbers::Numbers;
use super::openapi::Document;
use super::settings::Parts;
use super::{ops, steer, why};

/// What handlers share.
pub(super) struct Api {
    pub(super) parts: Parts,
    pub(super) gate: Arc<Gate>,
    pub(super) numbers: Numbers,
}

/// The service's paths.
pub fn router(parts: Parts) -> Router {
    let gate = Gate::new(parts.settings.at_once);
    let api = Arc::new(Api { parts, gate, numbers: Numbers::new() });
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(steer::steer))
        .routes(routes!(why::why))
        .routes(routes!(ops::status))
        .split_for_parts();
    let document = Arc::new(document);
    router
        .merge(ops::probes())
        .route("/openapi.json", get(move || std::future::ready(Json((*document).clone()))))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", "Unknown path")
        .detail("GET /openapi.json lists what there is")
}

async fn wrong_method(request: Request) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
        .detail(format!("this path does not take {}", request.method()))
}
