//! `POST /v1/sql`: a question in, rows out in the format asked for.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::{StreamExt, stream};
use serde::Deserialize;
use std::time::Duration;

use super::error::{SqlError, SqlErrorKind};
use super::format::{Encoder, Format};
use super::rows::Rows;
use super::{SqlEngine, WriteError};
use millrace_http::problem::{ItemError, Problem};

/// Says how many rows an answer has at most: as many as this means there may be more.
const ROW_LIMIT: HeaderName = HeaderName::from_static("millrace-row-limit");
/// Room for JSON around and escapes within the SQL text.
const BODY_SLACK: usize = 4;
/// How long a caller turned away should wait.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// The SQL endpoint over `engine`.
pub fn router(engine: SqlEngine) -> Router {
    let limit = engine.limits().sql_bytes.saturating_mul(BODY_SLACK).saturating_add(1 << 10);
    Router::new()
        .route("/v1/sql", post(answer))
        .layer(DefaultBodyLimit::max(limit))
        .with_state(engine)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sql: String,
    format: Option<String>,
}

async fn answer(
    State(engine): State<SqlEngine>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match try_answer(&engine, &headers, body).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn try_answer(
    engine: &SqlEngine,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let request = read(headers, body)?;
    let format = choose(&request, headers)?;
    let mut rows = engine.run(&request.sql).await?;
    // The first rows are waited for, so that what fails early is still told as a problem.
    let first = rows.next().await.transpose()?;
    let encoder = Encoder::new(format, rows.schema()).map_err(|e| unfit(&e))?;
    let body = Body::from_stream(bytes(encoder, rows, first));
    let limit = engine.limits().rows.to_string();
    let headers = [(CONTENT_TYPE, format.media_type().to_owned()), (ROW_LIMIT, limit)];
    Ok((headers, body).into_response())
}

fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Request, Problem> {
    let body = body.map_err(|rejected| {
        let status = rejected.status();
        Problem::new(status, "bad-body", "The request body was not taken")
            .detail(rejected.body_text())
    })?;
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("text/plain");
    match media.split(';').next().unwrap_or_default().trim() {
        "application/json" => serde_json::from_slice(&body).map_err(|error| {
            let place = ItemError {
                line: Some(error.line().max(1)),
                column: Some(error.column().max(1)),
                hint: Some("write {\"sql\": \"SELECT …\"}".to_owned()),
                ..ItemError::new(error.to_string())
            };
            Problem::new(StatusCode::BAD_REQUEST, "bad-body", "The request body is not right")
                .errors(&[place])
        }),
        "text/plain" | "application/sql" => match String::from_utf8(body.into()) {
            Ok(sql) => Ok(Request { sql, format: None }),
            Err(_) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "bad-body", "The text is not UTF-8"))
            }
        },
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bad-media-type",
            "The content type is not supported",
        )
        .detail(format!("`{other}`; send application/json or text/plain"))),
    }
}

fn choose(request: &Request, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(name) = &request.format {
        return name.parse().map_err(|e: super::UnknownFormat| {
            Problem::new(StatusCode::BAD_REQUEST, "unknown-format", "Unknown format")
                .detail(e.to_string())
        });
    }
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
    Format::accepted(accept).ok_or_else(|| {
        Problem::new(StatusCode::NOT_ACCEPTABLE, "unknown-format", "No format fits `Accept`")
            .detail(
                "formats: application/json, application/x-ndjson, text/csv, text/plain, \
                     application/vnd.apache.parquet, application/vnd.apache.arrow.stream",
            )
    })
}

fn unfit(error: &arrow::error::ArrowError) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "sql-format", "The format cannot hold the columns")
        .detail(super::error::without_paths(&error.to_string()))
}

/// The body. An error after the first bytes breaks the connection off: a cut answer must not look
/// whole.
fn bytes(
    encoder: Encoder,
    rows: Rows,
    first: Option<arrow::array::RecordBatch>,
) -> impl stream::Stream<Item = Result<Bytes, WriteError>> {
    stream::try_unfold((Some(encoder), rows, first), |(encoder, mut rows, first)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        let batch = match first {
            Some(batch) => Some(batch),
            None => rows.next().await.transpose()?,
        };
        let Some(batch) = batch else {
            let bytes = encoder.finish(rows.truncated())?;
            return Ok(Some((bytes.into(), (None, rows, None))));
        };
        let bytes = encoder.push(&batch)?;
        Ok(Some((bytes.into(), (Some(encoder), rows, None))))
    })
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        let (status, title) = match error.kind {
            SqlErrorKind::Invalid => (StatusCode::BAD_REQUEST, "The SQL is not right"),
            SqlErrorKind::Refused => (StatusCode::FORBIDDEN, "The SQL does more than read tables"),
            SqlErrorKind::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "The SQL is too long"),
            SqlErrorKind::Busy => (StatusCode::TOO_MANY_REQUESTS, "Too many questions at once"),
            SqlErrorKind::Time => (StatusCode::UNPROCESSABLE_ENTITY, "The time limit was reached"),
            SqlErrorKind::Memory => {
                (StatusCode::UNPROCESSABLE_ENTITY, "The memory limit was reached")
            }
            SqlErrorKind::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The question could not be answered")
            }
        };
        let problem = Self::new(status, error.kind.as_str(), title).detail(error.to_string());
        let problem = match error.kind {
            SqlErrorKind::Busy => problem.retry_after(BUSY_WAIT),
            _ => problem,
        };
        problem.errors(&[ItemError {
            line: Some(error.line),
            column: Some(error.column),
            hint: error.hint,
            ..ItemError::new(error.message)
        }])
    }
}
