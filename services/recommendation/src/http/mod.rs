//! The HTTP API: thin handlers over the desk; each says how much it matters before it begins.

mod feed;
mod history;
mod ops;
mod problems;
mod stats;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use millrace_feeds::FeedApi;
use millrace_http::Problem;

use crate::pressure::{Pass, Priority};
use crate::service::Desk;

/// What the document says of the service as a whole.
#[derive(OpenApi)]
#[openapi(info(
    title = "Millrace recommendation",
    description = "Rows of titles with artwork for each member. Errors are \
                   `application/problem+json`; every endpoint may answer 503 with `Retry-After` \
                   when there is more to do than can be done, least important first."
))]
struct Document;

fn operations() -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(feed::member_feed))
        .routes(routes!(history::show))
        .routes(routes!(history::delete))
        .routes(routes!(stats::title_stats))
        .routes(routes!(ops::status))
}

/// The OpenAPI document.
pub fn openapi() -> Value {
    with_feeds(&operations().into_openapi())
}

/// The document with the paths of feeds, which every service that has some serves alike.
fn with_feeds(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("a document is JSON");
    if let (Value::Object(feeds), Some(paths)) =
        (FeedApi::openapi(), document["paths"].as_object_mut())
    {
        paths.extend(feeds);
    }
    document
}

pub(crate) fn router(desk: Desk) -> Router {
    let (router, document) = operations().split_for_parts();
    let document = with_feeds(&document);
    let feeds = FeedApi::new(desk.store.clone(), desk.statuses.clone(), desk.clock.clone());
    let copies = feeds.router().layer(from_fn_with_state(desk.clone(), copying));
    router
        .route("/openapi.json", get(move || std::future::ready(Json(document.clone()))))
        .route("/metrics", get(ops::metrics))
        .route("/healthz", get(ops::alive))
        .route("/readyz", get(ops::ready))
        .with_state(desk)
        .merge(copies)
}

/// Who copies feeds waits first.
async fn copying(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    match enter(&desk, Priority::Low) {
        // It is let go once the answer begins: a stream of events may last for days.
        Ok(_pass) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets a request in, or says that it should come again.
fn enter(desk: &Desk, priority: Priority) -> Result<Pass, Problem> {
    desk.pressure.enter(priority).ok_or_else(problems::overloaded)
}

fn query<T>(found: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    found.map(|Query(query)| query).map_err(|e| problems::bad_request(&e.body_text()))
}

fn path<T>(found: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    found.map(|Path(path)| path).map_err(|e| problems::bad_request(&e.body_text()))
}
