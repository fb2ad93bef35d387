//! What goes out: JSON with its entity tag.

use axum::Json;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What a change came to.
pub(crate) const OUTCOME: HeaderName = HeaderName::from_static("millrace-outcome");

/// JSON with the version as its entity tag.
pub(crate) fn tagged<T: Serialize>(status: StatusCode, version: i64, value: &T) -> Response {
    let mut answer = (status, Json(value)).into_response();
    answer.headers_mut().insert(ETAG, tag(version));
    answer
}

/// As [`tagged`], or 304 when the caller has this version.
pub(crate) fn tagged_unless_known<T: Serialize>(
    headers: &HeaderMap,
    version: i64,
    value: &T,
) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let tag = tag(version);
    let same = |text: &str| text.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes();
    if known.is_some_and(|text| text.split(',').any(same)) {
        let mut answer = StatusCode::NOT_MODIFIED.into_response();
        answer.headers_mut().insert(ETAG, tag);
        return answer;
    }
    tagged(StatusCode::OK, version, value)
}

fn tag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits and quotes")
}
