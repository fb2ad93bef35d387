//! What is answered: a pure function of what became of each event.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use millrace_events::SendError;
use serde::Serialize;
use serde_json::json;

use super::record::{Parsed, Ready};
use super::split::SplitError;
use millrace_http::problem::{ItemError, Problem};

/// Suggested wait after the broker did not acknowledge.
const BROKER_AWAY: Duration = Duration::from_secs(2);

/// The body of a 202.
#[derive(Debug, Serialize)]
struct Receipt {
    accepted: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    errors: Vec<ItemError>,
}

/// What became of a request's events.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    total: usize,
    generated: bool,
    too_large: bool,
    accepted: Vec<Ready>,
    refused: Vec<ItemError>,
    /// May be in the log or not.
    unknown: Vec<Ready>,
    why_unknown: String,
}

impl Outcome {
    /// Joins the events with what the transport said of each; `None` is no answer in time.
    pub(super) fn of(
        total: usize,
        parsed: Parsed,
        results: Option<Vec<Result<(), SendError>>>,
    ) -> Self {
        let mut outcome = Self {
            total,
            generated: parsed.generated,
            too_large: parsed.too_large,
            refused: parsed.refused,
            ..Self::default()
        };
        let silent = || SendError::Unavailable("no answer in time".to_owned());
        let mut results = results.unwrap_or_default().into_iter();
        for ready in parsed.ready {
            match results.next().unwrap_or_else(|| Err(silent())) {
                Ok(()) => outcome.accepted.push(ready),
                Err(SendError::Unavailable(why)) => {
                    outcome.why_unknown = why;
                    outcome.unknown.push(ready);
                }
                Err(error @ SendError::Rejected(_)) => outcome.refused.push(ItemError {
                    index: Some(ready.index),
                    id: Some(text(&ready)),
                    ..ItemError::new(error.to_string())
                }),
            }
        }
        outcome.refused.sort_by_key(|error| error.index);
        outcome
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.len()
    }

    pub(super) fn unknown(&self) -> usize {
        self.unknown.len()
    }

    /// 503 if the broker left any event open, else 202 if any was accepted (or there was none),
    /// else 400; 413 for a single event that is too large.
    pub(super) fn answer(self) -> Response {
        if !self.unknown.is_empty() {
            return self.unavailable().into_response();
        }
        if self.total > 0 && self.accepted.is_empty() {
            return self.none().into_response();
        }
        let ids =
            if self.generated { self.accepted.iter().map(text).collect() } else { Vec::new() };
        let body = Receipt { accepted: self.accepted.len(), ids, errors: self.refused };
        (StatusCode::ACCEPTED, Json(body)).into_response()
    }

    fn unavailable(self) -> Problem {
        let accepted: Vec<_> = self.accepted.iter().map(text).collect();
        let retry: Vec<_> =
            self.unknown.iter().map(|r| json!({ "index": r.index, "id": text(r) })).collect();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "broker-unavailable", "Broker unavailable")
            .detail(format!(
                "{} of {} events were not acknowledged ({}); send those in `retry` again with the \
                 same ids, under which they are recognised should they have arrived after all",
                self.unknown.len(),
                self.total,
                self.why_unknown
            ))
            .retry_after(BROKER_AWAY)
            .with("accepted", accepted.len())
            .with("accepted_ids", accepted)
            .with("retry", retry)
            .errors(&self.refused)
    }

    fn none(self) -> Problem {
        let problem = if self.too_large {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", "Event too large")
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "bad-events", "No event was accepted")
        };
        problem
            .detail(format!("none of {} events was accepted; see errors", self.total))
            .with("accepted", 0)
            .errors(&self.refused)
    }
}

fn text(ready: &Ready) -> String {
    String::from_utf8_lossy(&ready.id).into_owned()
}

/// The answer to a body that has no events to speak of.
pub(super) fn of_split(error: SplitError, max_events: usize) -> Problem {
    match error {
        SplitError::TooMany => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-events", "Too many events")
                .detail(format!("a request may have {max_events} events; nothing was accepted"))
                .with("max_events", max_events)
        }
        SplitError::Malformed(fault) => {
            let (line, column) = fault.place.unzip();
            let error = ItemError { line, column, ..ItemError::new(fault.message) };
            Problem::new(StatusCode::BAD_REQUEST, "malformed-body", "Malformed body")
                .detail("the body as a whole cannot be read; nothing was accepted")
                .with("accepted", 0)
                .errors(&[error])
        }
    }
}
