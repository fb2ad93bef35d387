//! Errors as RFC 9457 `application/problem+json`, the one shape every endpoint answers errors in.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// Media type of the answer.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Prefix of `type`; the rest names the kind of problem and never changes.
pub const TYPE_PREFIX: &str = "urn:millrace:problem:";

/// One mistake in the caller's input, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ItemError {
    /// Position of the item (event, statement) in the request, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// JSON pointer into the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line in the request's text, or in the SQL at `pointer`, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Of SQL within a manifest: where it is in the request's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Place>,
    /// Column in that line in characters (bytes for events), counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The item's id, when it was read before the mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong, for a person.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line it is in, as far as it helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl ItemError {
    /// A mistake without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// A problem document. Build it, then return it from a handler.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    // Boxed and listed, to keep the error half of every `Result` small.
    detail: Option<Box<str>>,
    instance: Option<Box<str>>,
    extensions: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of the stable, machine-readable `kind` (kebab-case) with a `title` that is the
    /// same for every occurrence.
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self {
            status,
            kind,
            title,
            detail: None,
            instance: None,
            extensions: Map::new(),
            headers: Vec::new(),
        }
    }

    /// What happened this time and what to do, for a person.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into());
        self
    }

    /// The request this is about, as a URI reference.
    #[must_use]
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into().into());
        self
    }

    /// Adds an extension member. The five standard members cannot be replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        debug_assert!(!["type", "title", "status", "detail", "instance"].contains(&name));
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Adds `errors`, the mistakes one by one.
    #[must_use]
    pub fn errors(self, errors: &[ItemError]) -> Self {
        let list = serde_json::to_value(errors).expect("text and numbers only");
        self.with("errors", list)
    }

    /// Adds a response header; a value that is not one (control characters) is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds `Retry-After`, rounded up to whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, &seconds.max(1).to_string())
    }

    /// The status the answer will have.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The kind the problem was made with.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The document.
    pub fn to_json(&self) -> Value {
        let mut doc = Map::new();
        doc.insert("type".into(), format!("{TYPE_PREFIX}{}", self.kind).into());
        doc.insert("title".into(), self.title.into());
        doc.insert("status".into(), self.status.as_u16().into());
        if let Some(detail) = &self.detail {
            doc.insert("detail".into(), detail.as_ref().into());
        }
        if let Some(instance) = &self.instance {
            doc.insert("instance".into(), instance.as_ref().into());
        }
        for (name, value) in &self.extensions {
            doc.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        Value::Object(doc)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_json().to_string();
        let mut response = (self.status, body).into_response();
        response.headers_mut().extend(self.headers);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_standard_members_and_the_extensions() {
        let error = ItemError { index: Some(2), line: Some(3), ..ItemError::new("no") };
        let problem = Problem::new(StatusCode::BAD_REQUEST, "bad-events", "Bad events")
            .detail("1 of 3")
            .instance("/v1/streams/s/events")
            .errors(&[error]);
        assert_eq!(
            problem.to_json(),
            serde_json::json!({
                "type": "urn:millrace:problem:bad-events",
                "title": "Bad events",
                "status": 400,
                "detail": "1 of 3",
                "instance": "/v1/streams/s/events",
                "errors": [{"index": 2, "line": 3, "message": "no"}],
            })
        );
    }

    #[test]
    fn retry_after_is_whole_seconds_and_headers_cannot_be_injected() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy")
            .retry_after(Duration::from_millis(1200))
            .header(HeaderName::from_static("x-a"), "a\r\nx-b: c");
        let response = problem.into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        assert!(!response.headers().contains_key("x-a"));
    }
}
