//! What comes in: queries, bodies and conditions, read strictly.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use millrace_http::{ItemError, Problem};

/// Largest body taken.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The query; a parameter that is not known is refused, for `?dryrun=true` would change things.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| {
                let text = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), ToString::to_string);
                bad_request("bad-query", "The query is not right").detail(text)
            })
    }
}

/// Text of at most `N` characters, for `deserialize_with`.
pub(crate) fn at_most<'de, D, const N: usize>(from: D) -> Result<Option<String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let text = Option::<String>::deserialize(from)?;
    if text.as_ref().is_some_and(|text| text.chars().count() > N) {
        return Err(serde::de::Error::custom(format!("a text is longer than {N} characters")));
    }
    Ok(text)
}

/// A small JSON object; no body at all is the empty one.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = read_body(body).await?;
        if body.is_empty() {
            return parse(b"{}").map(Self);
        }
        let media = media_type(&parts.headers);
        if media != "application/json" {
            return Err(unsupported(&media, "application/json"));
        }
        parse(&body).map(Self)
    }
}

/// Text of manifests: YAML, of which JSON is a part.
pub(crate) struct Manifest(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for Manifest {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        const TAKEN: [&str; 5] = [
            "application/json",
            "application/yaml",
            "application/x-yaml",
            "text/yaml",
            "text/plain",
        ];
        let (parts, body) = request.into_parts();
        let media = media_type(&parts.headers);
        if !TAKEN.contains(&media.as_str()) {
            return Err(unsupported(&media, "application/yaml or application/json"));
        }
        let body = read_body(body).await?;
        let text = String::from_utf8(body.into()).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            wrong_body().detail(format!("it is not UTF-8: see byte {at}"))
        })?;
        Ok(Self(text))
    }
}

/// The whole body, if it is not too large.
pub(crate) async fn read_body(body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, MAX_BODY).await.map_err(|error| {
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            if inner.is::<http_body_util::LengthLimitError>() {
                return Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-large",
                    "The request's body is too large",
                )
                .detail(format!("at most {MAX_BODY} bytes are taken"));
            }
            source = inner.source();
        }
        wrong_body().detail(error.to_string())
    })
}

/// Reads JSON and says where it is wrong.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        (error.into_inner(), Some(pointer))
    });
    let read = read.and_then(|value| json.end().map(|()| value).map_err(|error| (error, None)));
    read.map_err(|(error, pointer)| {
        wrong_body().errors(&[ItemError {
            pointer,
            line: Some(error.line().max(1)),
            column: Some(error.column().max(1)),
            ..ItemError::new(error.to_string())
        }])
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// Conditions of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the headers that `Condition` reads")]
pub(crate) struct Conditions {
    /// Only if the resource has this version: the `ETag` it was read with, or `*` for any.
    #[param(rename = "If-Match", required = false, pattern = r#"^(\*|"[0-9]{1,18}")$"#)]
    if_match: Option<String>,
    /// `*`: only if there is none yet.
    #[param(rename = "If-None-Match", required = false, pattern = r"^\*$")]
    if_none_match: Option<String>,
}

/// Conditions of something done to what is there.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that `Condition` reads")]
pub(crate) struct MatchCondition {
    /// Only if it has this version: the `ETag` it was read with, or `*` for any.
    #[param(rename = "If-Match", required = false, pattern = r#"^(\*|"[0-9]{1,18}")$"#)]
    if_match: Option<String>,
}

/// What a request requires of the thing it is about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    None,
    /// It must be there.
    Exists,
    /// It must not be there.
    Absent,
    /// It must have this version.
    Version(i64),
}

impl<S: Send + Sync> FromRequestParts<S> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = |name| match parts.headers.get(name) {
            None => Ok(None),
            Some(value) => value.to_str().map(|v| Some(v.trim())).map_err(|_| bad_condition()),
        };
        match (text(IF_MATCH)?, text(IF_NONE_MATCH)?) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Exists),
            (Some(tag), None) => version(tag).map(Self::Version).ok_or_else(bad_condition),
            (None, Some("*")) => Ok(Self::Absent),
            _ => Err(bad_condition()),
        }
    }
}

/// The version that a strong entity tag of ours stands for.
pub(crate) fn version(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn bad_condition() -> Problem {
    bad_request("bad-condition", "The condition is not right")
        .detail("send one of `If-Match: \"<version>\"`, `If-Match: *` and `If-None-Match: *`")
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn unsupported(media: &str, taken: &str) -> Problem {
    let what = if media.is_empty() { "there is none".to_owned() } else { format!("not `{media}`") };
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The body's content type is not taken here",
    )
    .detail(format!("send `Content-Type: {taken}`; {what}"))
}

fn wrong_body() -> Problem {
    bad_request("bad-body", "The request's body is not right")
}

/// What is wrong with the value that `pointer` leads to.
pub(crate) fn bad_body(pointer: Option<&str>, message: impl Into<String>) -> Problem {
    let pointer = pointer.map(ToOwned::to_owned);
    wrong_body().errors(&[ItemError { pointer, ..ItemError::new(message) }])
}

pub(crate) fn bad_request(kind: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, kind, title)
}
