//! HTTP over the Unix socket of a worker.

use std::fmt::Write;
use std::io;
use std::path::Path;

use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::worker::RUN_HEADER;

/// Most bytes of an answer; metrics of a job with many sinks are the largest.
const ANSWER_BYTES: usize = 8 << 20;
/// Most bytes of a row that is followed.
const ROW_BYTES: usize = 1 << 20;

/// What went wrong on the way, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CallError(String);

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CallError {
    CallError(error.into().to_string())
}

/// An open answer and the task that carries it; dropped together.
struct Exchange {
    response: Response<Incoming>,
    carrier: JoinSet<()>,
}

async fn open(
    socket: &Path,
    run: &str,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Exchange, CallError> {
    let stream = UnixStream::connect(socket).await.map_err(failed)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let mut carrier = JoinSet::new();
    carrier.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a worker ended early");
        }
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "worker")
        .header("content-type", "application/json")
        .header(RUN_HEADER, run)
        .body(Full::new(Bytes::from(body)))
        .map_err(failed)?;
    let response = sender.send_request(request).await.map_err(failed)?;
    Ok(Exchange { response, carrier })
}

/// Sends a request to the worker of `run` and reads the whole answer.
pub(super) async fn call(
    socket: &Path,
    run: &str,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), CallError> {
    let Exchange { response, carrier } = open(socket, run, method, path, body).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await.map_err(failed)?;
    drop(carrier);
    Ok((status, body.to_bytes()))
}

/// Follows server-sent events; the stream ends with the worker. An answer that is none is returned
/// as [`call`] does.
pub(super) async fn follow(
    socket: &Path,
    run: &str,
    path: &str,
) -> Result<Result<BoxStream<'static, String>, (StatusCode, Bytes)>, CallError> {
    let Exchange { response, carrier } = open(socket, run, Method::GET, path, Vec::new()).await?;
    let status = response.status();
    let body = response.into_body();
    if status != StatusCode::OK {
        let text = Limited::new(body, ANSWER_BYTES).collect().await.map_err(failed)?;
        return Ok(Err((status, text.to_bytes())));
    }
    let lines = Lines { body, carrier, pending: Vec::new() };
    let data = stream::unfold(lines, |mut lines| async move {
        loop {
            let line = lines.next().await.ok()??;
            if let Some(data) = line.strip_prefix("data:") {
                return Some((data.strip_prefix(' ').unwrap_or(data).to_owned(), lines));
            }
        }
    });
    Ok(Ok(data.boxed()))
}

struct Lines {
    body: Incoming,
    #[expect(dead_code, reason = "carries the body for as long as it is read")]
    carrier: JoinSet<()>,
    pending: Vec<u8>,
}

impl Lines {
    /// The next line; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            if self.pending.len() > ROW_BYTES {
                return Err(io::Error::other("a row is too long to be followed"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(io::Error::other(error)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.pending.extend_from_slice(bytes);
                    }
                }
            }
        }
    }
}

/// `text` as part of a query.
pub(super) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_query_is_escaped() {
        assert_eq!(escape("takes_per-title"), "takes_per-title");
        assert_eq!(escape("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
