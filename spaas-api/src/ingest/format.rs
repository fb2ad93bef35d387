//! In which form events come: decided from the request's headers alone.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};

use super::envelope::{self, Attributes};
use millrace_http::problem::Problem;

/// The form of a request's body.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// One `CloudEvent` with its attributes in the headers; the body is its data.
    Binary(Attributes<'static>),
    /// One `CloudEvent`.
    Structured,
    /// A list of CloudEvents.
    Batch,
    /// One event, or a list of events.
    Json,
    /// One event a line.
    Lines,
}

/// The form and whether the body is compressed with gzip.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) form: Form,
    pub(super) gzip: bool,
}

const ACCEPTED: &str = "application/json, application/x-ndjson, application/cloudevents+json, \
                        application/cloudevents-batch+json";

impl Format {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { form: form(headers)?, gzip: gzip(headers)? })
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let utf8 =
            ["utf-8", "utf8", "us-ascii"].map(|c| value.trim_matches('"').eq_ignore_ascii_case(c));
        if name.eq_ignore_ascii_case("charset") && !utf8.contains(&true) {
            return Err(unsupported(&format!("charset `{value}` is not supported; send UTF-8")));
        }
    }
    match essence.as_str() {
        "application/cloudevents+json" => Ok(Form::Structured),
        "application/cloudevents-batch+json" => Ok(Form::Batch),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => Ok(Form::Lines),
        other if other.starts_with("application/cloudevents") => {
            Err(unsupported(&format!("CloudEvents as `{other}` are not supported")))
        }
        other if envelope::is_json(other) => {
            if !headers.keys().any(|name| name.as_str().starts_with("ce-")) {
                return Ok(Form::Json);
            }
            envelope::of_headers(headers).map(Form::Binary).map_err(|why| {
                Problem::new(StatusCode::BAD_REQUEST, "bad-attributes", "Bad CloudEvents headers")
                    .detail(why)
            })
        }
        "" => Err(unsupported("the request has no Content-Type")),
        other => Err(unsupported(&format!("`{other}` is not supported"))),
    }
}

fn gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = codings.next().map(|v| v.as_bytes().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"identity" | b"") => Ok(false),
        Some(b"gzip" | b"x-gzip") if codings.next().is_none() => Ok(true),
        Some(_) => Err(unsupported("only gzip, once, is supported as Content-Encoding")
            .header(ACCEPT_ENCODING, "gzip")),
    }
}

fn unsupported(why: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media", "Unsupported media type")
        .detail(format!("{why}; send one of: {ACCEPTED}"))
}
