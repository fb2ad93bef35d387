//! A request that is sent twice under one key is done once.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use millrace_http::Problem;

use super::input::read_body;
use super::parts::Api;
use super::problems::store_problem;
use crate::model::Actor;
use crate::store::{Answer, Idempotent};

/// What a key may look like.
pub(crate) const KEY_PATTERN: &str = "^[A-Za-z0-9_.:-]{1,200}$";

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Headers of an answer that are kept with it.
const KEPT: [&str; 4] = ["content-type", "etag", "location", "millrace-outcome"];
/// Answers are small; one that is not is given but not kept.
const MAX_ANSWER: usize = 8 << 20;

/// Part of an answer that is told once: no copy of it is kept, since it holds a secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToldOnce;

/// Passes requests without a key; does those with one at most once.
pub(crate) async fn layer(
    State(api): State<Api>,
    actor: Option<Extension<Actor>>,
    request: Request,
    next: Next,
) -> Response {
    let changes = matches!(*request.method(), Method::PUT | Method::POST | Method::DELETE);
    let (Some(key), true, Some(Extension(actor))) = (request.headers().get(KEY), changes, actor)
    else {
        return next.run(request).await;
    };
    let Some(key) = key.to_str().ok().filter(|key| is_key(key)).map(ToOwned::to_owned) else {
        return Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request is not right")
            .detail("`Idempotency-Key` takes 1 to 200 of letters, digits and `_.:-`")
            .into_response();
    };
    once(&api, &actor, &key, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

fn is_key(key: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=200).contains(&key.len()) && key.bytes().all(fits)
}

async fn once(
    api: &Api,
    actor: &Actor,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or("")] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    for name in ["if-match", "if-none-match"] {
        hash.update(parts.headers.get(name).map_or(&b""[..], HeaderValue::as_bytes));
        hash.update([0]);
    }
    hash.update(&body);
    let hash = hex::encode(hash.finalize());
    let now = api.clock.now_ms();
    let before =
        api.store.idempotent(key, &actor.token, &hash, now).await.map_err(store_problem)?;
    match before {
        Idempotent::Fresh => {}
        Idempotent::Replay(answer) => return Ok(replay(answer)),
        Idempotent::Mismatch => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-mismatch",
                "The idempotency key was used for another request",
            )
            .detail("use a new key for a new request"));
        }
        Idempotent::InFlight => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "idempotency-in-flight",
                "The first request with this key is still being done",
            )
            .header(axum::http::header::RETRY_AFTER, "1"));
        }
    }
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    keep(api, actor, key, answer).await
}

fn replay(kept: Answer) -> Response {
    let mut answer = Response::new(Body::from(kept.body));
    *answer.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    answer
}

/// Keeps the answer for the next request with this key. One that says "try again" is not kept.
async fn keep(api: &Api, actor: &Actor, key: &str, answer: Response) -> Result<Response, Problem> {
    let (parts, body) = answer.into_parts();
    let passing = parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS;
    let body = axum::body::to_bytes(body, MAX_ANSWER).await.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The answer was lost")
            .detail(error.to_string())
    })?;
    let stored = if passing {
        api.store.forget_idempotent(key, &actor.token).await
    } else if parts.extensions.get::<ToldOnce>().is_some() {
        api.store.finish_idempotent(key, &actor.token, &told_already().await).await
    } else {
        let kept = Answer {
            status: parts.status.as_u16(),
            headers: kept(&parts.headers),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        api.store.finish_idempotent(key, &actor.token, &kept).await
    };
    if let Err(error) = stored {
        tracing::warn!(%error, "the answer of a request with an idempotency key was not kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// What a repeated request is answered when the first answer held a secret.
async fn told_already() -> Answer {
    let problem = Problem::new(StatusCode::CONFLICT, "told-once", "Its answer is told once")
        .detail("it is done; if the answer was lost, remove what it made and ask with a new key");
    let (parts, body) = problem.into_response().into_parts();
    let body = axum::body::to_bytes(body, MAX_ANSWER).await.unwrap_or_default();
    Answer {
        status: parts.status.as_u16(),
        headers: kept(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = |name: &&str| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    };
    KEPT.iter().filter_map(kept).collect()
}
