//! A job's log and its rows, as they are written.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use millrace_http::Problem;
use millrace_spec::qualified;

use super::status::view;
use crate::api::caller::Viewer;
use crate::api::input::{Query, at_most, bad_request};
use crate::api::parts::Api;
use crate::api::problems::{launch_problem, not_found, not_running, store_problem};
use crate::model::Kind;

/// Sent when nothing else was for so long, so that a dead connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
const MOST_LINES: usize = 10_000;

/// One server-sent event.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerEvent {
    /// A line, or a row as JSON.
    data: String,
}

/// Which lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogQuery {
    /// So many of the last lines; 100 if not given.
    #[param(maximum = 10_000)]
    lines: Option<usize>,
    /// Go on with new lines as they come.
    follow: bool,
}

/// Which sink.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TailQuery {
    /// The sink; all if not given.
    #[param(max_length = 200)]
    #[serde(default, deserialize_with = "at_most::<_, 200>")]
    sink: Option<String>,
}

/// Lines of the job's log, of all its runs.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/logs", tag = "Jobs",
    operation_id = "getJobLogs", params(LogQuery), extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "Lines; as server-sent events if these are accepted",
        content((String = "text/plain"), (ServerEvent = "text/event-stream")))))]
pub(crate) async fn logs(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = who.path.get("name");
    let found = api.store.get(&who.ns, Kind::Job, name).await.map_err(store_problem)?;
    found.ok_or_else(not_found)?;
    let lines = query.lines.unwrap_or(100);
    if lines > MOST_LINES {
        return Err(bad_request("bad-query", "The query is not right")
            .detail(format!("`lines` is at most {MOST_LINES}")));
    }
    let job = qualified(&who.ns, name);
    let lines = api
        .launcher
        .logs(&job, lines, query.follow)
        .await
        .map_err(|error| launch_problem(&error))?;
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        return Ok(events(lines));
    }
    let lines = lines.map(|line| Ok::<_, Infallible>(Bytes::from(line + "\n")));
    let media = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(CONTENT_TYPE, media)], Body::from_stream(lines)).into_response())
}

/// Rows of the job's sinks as it writes them.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/tail", tag = "Jobs",
    operation_id = "tailJob", params(TailQuery), extensions(("x-role" = json!("viewer"))),
    responses(
        (status = 200, description = "Server-sent events; `data` is a JSON object with `sink`, \
            `kind` (`+I`, `-U`, `+U`, `-D`) and `row`",
            content((ServerEvent = "text/event-stream"))),
        (status = 409, description = "The job is not running"),
    ))]
pub(crate) async fn tail(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<TailQuery>,
) -> Result<Response, Problem> {
    let name = who.path.get("name");
    let view = view(&api, &who.ns, name).await?;
    let run = view.status.and_then(|status| status.run).ok_or_else(not_running)?;
    let job = qualified(&who.ns, name);
    let rows = api.launcher.tail(&job, &run, query.sink.as_deref()).await;
    Ok(events(rows.map_err(|error| launch_problem(&error))?))
}

fn events(lines: BoxStream<'static, String>) -> Response {
    // A carriage return would end the event's field; what is left out cannot be seen anyway.
    let event = |line: String| Ok::<_, Infallible>(Event::default().data(line.replace('\r', "")));
    let alive = KeepAlive::new().interval(HEARTBEAT);
    Sse::new(lines.map(event)).keep_alive(alive).into_response()
}
