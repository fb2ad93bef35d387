//! A request's body: bounded in bytes and time, then JSON.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use millrace_http::{ItemError, Problem};
use serde::de::DeserializeOwned;

/// Reads a body of at most `max` bytes within `within`.
pub(super) async fn read(mut body: Body, max: usize, within: Duration) -> Result<Bytes, Problem> {
    let whole = async {
        // Nearly always one piece, which is then not copied.
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(piece) = frame.map_err(|_| cut_off())?.into_data() else { continue };
            let so_far = first.as_ref().map_or(0, Bytes::len) + all.len();
            if so_far + piece.len() > max {
                return Err(too_large(max));
            }
            if first.is_none() && all.is_empty() {
                first = Some(piece);
                continue;
            }
            if let Some(first) = first.take() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&piece);
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    };
    tokio::time::timeout(within, whole).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Parses `bytes`.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = ItemError {
            line: Some(error.line()),
            column: Some(error.column()),
            ..ItemError::new(error.to_string())
        };
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request")
            .detail("the body is not the JSON that is asked for")
            .errors(&[place])
    })
}

fn too_large(max: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large")
        .detail(format!("a body may have {max} bytes; ask for fewer files at a time"))
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Body too slow")
        .detail("the body did not arrive in time")
}

fn cut_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "cut-off", "Body cut off")
        .detail("the body ended before its end")
}
