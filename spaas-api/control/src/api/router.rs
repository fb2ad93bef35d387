//! All operations under one router, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use millrace_http::Problem;

use super::jobs::{numbers, runs, savepoints, status, streams, tries, verbs, versions};
use super::openapi::{self, Document};
use super::parts::{Api, ControlParts};
use super::problems::not_found;
use super::{apply, history, idempotency, input, namespaces, overview, resources, tables, tokens};
use crate::access::protect;

/// Where the OpenAPI document is, for anybody.
const DOCUMENT: &str = "/v1/openapi.json";
/// Where it can be browsed, by anybody.
const DOCS: &str = "/docs";

/// The HTTP API of the control plane, ready to be served.
pub fn router(parts: ControlParts) -> Router {
    let access = parts.access.clone();
    let api = Api::new(parts);
    let (operations, document) = operations().split_for_parts();
    let document: Arc<str> = openapi::complete(&document).to_string().into();
    let operations = operations
        .layer(from_fn_with_state(api.clone(), idempotency::layer))
        .with_state(api.clone());
    let app = operations
        .route(DOCUMENT, get(move || async move { json_text(&document) }))
        .route(DOCS, get(super::page::page))
        .fallback(unknown)
        .method_not_allowed_fallback(|| async { wrong_method() })
        .layer(DefaultBodyLimit::max(input::MAX_BODY));
    protect(app, access, &[DOCUMENT, DOCS])
}

/// The OpenAPI document, as it is served.
pub fn openapi() -> serde_json::Value {
    openapi::complete(&operations().into_openapi())
}

fn operations() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(namespaces::list))
        .routes(routes!(namespaces::get, namespaces::put, namespaces::delete))
        .routes(routes!(resources::list))
        .routes(routes!(resources::get, resources::put, resources::delete))
        .routes(routes!(super::routes::status))
        .routes(routes!(history::versions))
        .routes(routes!(history::version))
        .routes(routes!(history::resource_events))
        .routes(routes!(history::namespace_events))
        .routes(routes!(apply::apply))
        .routes(routes!(apply::diff))
        .routes(routes!(tables::list))
        .routes(routes!(tables::get))
        .routes(routes!(overview::overview))
        .routes(routes!(overview::whoami))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::delete))
        .routes(routes!(tokens::audit))
        .merge(jobs())
}

fn jobs() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(tries::validate))
        .routes(routes!(tries::explain_manifest))
        .routes(routes!(tries::sample))
        .routes(routes!(tries::plan))
        .routes(routes!(tries::explain_job))
        .routes(routes!(status::get_status))
        .routes(routes!(verbs::deploy))
        .routes(routes!(verbs::stop))
        .routes(routes!(verbs::resume))
        .routes(routes!(verbs::restart))
        .routes(routes!(verbs::rescale))
        .routes(routes!(versions::upgrade))
        .routes(routes!(versions::rollback))
        .routes(routes!(savepoints::make))
        .routes(routes!(savepoints::list))
        .routes(routes!(savepoints::get, savepoints::delete))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(streams::logs))
        .routes(routes!(streams::tail))
        .routes(routes!(numbers::metrics))
}

fn json_text(text: &str) -> Response {
    let media = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, media)], text.to_string()).into_response()
}

async fn unknown(uri: Uri) -> Problem {
    not_found().detail("`/v1/openapi.json` lists all paths").instance(uri.path())
}

fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "This cannot be done with it",
    )
}
