//! The endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use millrace_events::Clock;
use millrace_http::Problem;

use super::page::Page;
use super::sse;
use super::token::{Token, TokenError};
use crate::{FeedStore, Statuses};

/// Changes on a page unless asked otherwise, and most.
const LIMIT: (usize, usize) = (1_000, 10_000);
/// Pages read from the store at once: readers of whole feeds must not take the disk from the
/// follower.
const READERS: usize = 4;

const NDJSON: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// Serves the feeds of a store.
#[derive(Debug, Clone)]
pub struct FeedApi {
    pub(super) store: FeedStore,
    pub(super) statuses: Statuses,
    pub(super) clock: Arc<dyn Clock>,
    readers: Arc<Semaphore>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    since: Option<String>,
    limit: Option<usize>,
}

impl FeedApi {
    /// Over a store and the statuses of its follower.
    pub fn new(store: FeedStore, statuses: Statuses, clock: Arc<dyn Clock>) -> Self {
        Self { store, statuses, clock, readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// `/v1/feeds` and below.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/feeds", get(list))
            .route("/v1/feeds/{name}", get(read))
            .with_state(self)
    }

    /// The OpenAPI paths, to be merged into a service's document.
    pub fn openapi() -> Value {
        let text = |kind: &str| json!({ kind: { "schema": { "type": "string" } } });
        let query = |name: &str, description: &str, kind: &str| {
            json!({ "name": name, "in": "query", "description": description,
                    "required": false, "schema": { "type": kind } })
        };
        let name = json!({ "name": "name", "in": "path", "required": true,
                           "schema": { "type": "string" } });
        let since = query("since", "`next` of the page before; without it everything", "string");
        let limit = query("limit", "Changes on a page, 1 to 10,000", "integer");
        let mut page = text(NDJSON);
        page["application/json"] = json!({ "schema": { "type": "object" } });
        page[EVENTS] = json!({ "schema": { "type": "string" } });
        json!({
            "/v1/feeds": { "get": {
                "tags": ["Feeds"], "operationId": "listFeeds",
                "summary": "The feeds that are held, and how far each is.",
                "responses": { "200": { "description": "The feeds",
                    "content": { "application/json": { "schema": { "type": "object" } } } } } } },
            "/v1/feeds/{name}": { "get": {
                "tags": ["Feeds"], "operationId": "readFeed",
                "summary": "Changes since a token, or everything; as events if that is accepted.",
                "parameters": [name, since, limit],
                "responses": {
                    "200": { "description": "A page", "content": page },
                    "404": { "description": "There is no such feed" },
                    "410": { "description": "The token is too old: read the feed whole" } } } },
        })
    }

    /// A page of changes.
    pub(super) async fn page(
        &self,
        feed: &str,
        token: Token,
        limit: usize,
    ) -> Result<Page, Problem> {
        let Ok(_reading) = self.readers.acquire().await else { return Err(unreadable("closed")) };
        let (store, name, now) = (self.store.clone(), feed.to_owned(), self.clock.now_ms());
        let reading = move || store.changes(&name, &token.next, limit).map(|c| (c, token));
        let read = tokio::task::spawn_blocking(reading);
        let read = read.await.map_err(|e| unreadable(&e.to_string()))?;
        let (changes, token) = read.map_err(|e| unreadable(&e.to_string()))?;
        let changes = changes.ok_or_else(|| no_feed(feed))?;
        // An empty token is of no copy of the topic yet.
        if !token.next.is_empty() {
            token.check(changes.generation, now).map_err(bad_token)?;
        }
        Ok(Page::new(changes, now))
    }
}

async fn list(State(api): State<FeedApi>) -> Json<Value> {
    Json(json!({ "feeds": api.statuses.all() }))
}

async fn read(
    State(api): State<FeedApi>,
    Path(feed): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|e| bad_request(&e.body_text()))?;
    let limit = asked.limit.unwrap_or(LIMIT.0);
    if !(1..=LIMIT.1).contains(&limit) {
        return Err(bad_request(&format!("`limit` is {limit}; a page has 1 to {}", LIMIT.1)));
    }
    let accepts = |kind| {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        accept.is_some_and(|accept| accept.contains(kind))
    };
    // A browser that reconnects says where it was in a header.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let since = if accepts(EVENTS) { last.or(asked.since) } else { asked.since };
    let token: Token =
        since.as_deref().map_or(Ok(Token::default()), str::parse).map_err(bad_token)?;
    let first = api.page(&feed, token.clone(), if accepts(EVENTS) { 1 } else { limit }).await?;
    if accepts(EVENTS) {
        let token = Token { generation: first.generation, given_ms: api.clock.now_ms(), ..token };
        return Ok(sse::events(api, feed, token));
    }
    let (kind, body) =
        if accepts(NDJSON) { (NDJSON, first.lines()) } else { ("application/json", first.json()) };
    Ok(([(CONTENT_TYPE, kind)], body).into_response())
}

fn bad_request(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request").detail(detail)
}

fn no_feed(feed: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-feed", "No such feed")
        .detail(format!("feed `{feed}` is not held here; GET /v1/feeds lists those that are"))
}

fn bad_token(error: TokenError) -> Problem {
    match error {
        TokenError::NotOne => bad_request(&error.to_string()),
        TokenError::Gone => {
            Problem::new(StatusCode::GONE, "read-again", "Read again").detail(error.to_string())
        }
    }
}

fn unreadable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unreadable", "Unreadable")
        .detail(detail)
        .retry_after(Duration::from_secs(5))
}
