//! The HTTP that a worker answers on its socket.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;

use super::{SavepointMade, SavepointOrder, StopOrder, WorkerStatus};

/// Why a worker did not do as told. The words are for a person and hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It cannot be done by this worker, however often it is asked.
    #[error("{0}")]
    Refused(String),
    /// It did not work out this time.
    #[error("{0}")]
    Failed(String),
}

impl IntoResponse for OrderError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, self.to_string()).into_response()
    }
}

/// What a worker is asked by the control plane. Every order may come more than once.
#[async_trait]
pub trait WorkerHandler: Send + Sync + 'static {
    /// How it is doing. Must answer at once also while the work is blocked: a worker that is silent
    /// is killed.
    async fn status(&self) -> WorkerStatus;

    /// Begins to end the run after a last checkpoint; returns without waiting for it. When a second
    /// order differs from the first, the first one may stand.
    async fn stop(&self, order: StopOrder) -> Result<(), OrderError>;

    /// Makes a savepoint and returns once it is complete. For a path at which a complete savepoint
    /// of this job lies already, returns that one.
    async fn savepoint(&self, order: SavepointOrder) -> Result<SavepointMade, OrderError>;

    /// Rows of one sink, or of all, from now on, as JSON objects
    /// `{"sink": …, "kind": "+I|-U|+U|-D", "row": {…}}` without line breaks.
    async fn tail(&self, sink: Option<String>) -> Result<BoxStream<'static, String>, OrderError>;

    /// Its metrics as Prometheus text.
    async fn metrics(&self) -> String;
}

type Handler = State<Arc<dyn WorkerHandler>>;

/// Names the run that a request is meant for.
pub(crate) const RUN_HEADER: &str = "millrace-run";

pub(super) fn router(handler: Arc<dyn WorkerHandler>, run: &str) -> Router {
    Router::new()
        .route("/status", get(async |State(handler): Handler| Json(handler.status().await)))
        .route("/stop", post(stop))
        .route("/savepoint", post(savepoint))
        .route("/tail", get(tail))
        .route("/metrics", get(async |State(handler): Handler| handler.metrics().await))
        .with_state(handler)
        .layer(from_fn_with_state(Arc::from(run), meant_for_this_run))
}

/// A worker must not heed an order that was on its way to the one before it.
async fn meant_for_this_run(State(run): State<Arc<str>>, request: Request, next: Next) -> Response {
    match request.headers().get(RUN_HEADER) {
        Some(meant) if meant.as_bytes() != run.as_bytes() => {
            (StatusCode::GONE, format!("this is run {run}")).into_response()
        }
        _ => next.run(request).await,
    }
}

async fn stop(
    State(handler): Handler,
    Json(order): Json<StopOrder>,
) -> Result<StatusCode, OrderError> {
    handler.stop(order).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn savepoint(
    State(handler): Handler,
    Json(order): Json<SavepointOrder>,
) -> Result<Json<SavepointMade>, OrderError> {
    handler.savepoint(order).await.map(Json)
}

#[derive(Debug, Deserialize)]
struct Tail {
    sink: Option<String>,
}

async fn tail(
    State(handler): Handler,
    Query(Tail { sink }): Query<Tail>,
) -> Result<Response, OrderError> {
    let rows = handler.tail(sink).await?;
    let events = rows.map(|row| Ok::<_, Infallible>(Event::default().data(row)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
