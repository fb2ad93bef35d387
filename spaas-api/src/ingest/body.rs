//! Reading a body: within its limit and the budget, decompressed as it comes.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::StatusCode;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::StreamExt;
use millrace_events::{Budget, Reservation};

use millrace_http::problem::Problem;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Above the limit (given), compressed or not.
    TooLarge(usize),
    /// The budget for bytes in flight is used up.
    Busy,
    /// It did not arrive in time.
    Slow,
    /// The connection broke, or it is not gzip.
    Broken(&'static str),
}

impl BodyError {
    /// Whether the client may still be sending, and in good faith.
    pub(super) fn leaves_more(self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Busy)
    }

    pub(super) fn problem(self) -> Problem {
        let new = Problem::new;
        match self {
            Self::TooLarge(max) => {
                new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large")
                    .detail(format!("a request may have {max} bytes; send fewer events in each"))
                    .with("max_bytes", max)
            }
            Self::Busy => new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much in flight")
                .detail("the memory for requests in flight is used up; nothing was accepted")
                .retry_after(Duration::from_secs(1)),
            Self::Slow => new(StatusCode::REQUEST_TIMEOUT, "slow-body", "Body came too slowly")
                .detail("the whole body did not arrive in time; nothing was accepted"),
            Self::Broken(why) => {
                new(StatusCode::BAD_REQUEST, "broken-body", "Body cannot be read").detail(why)
            }
        }
    }
}

/// What a request costs beside its bytes; also the charge to begin with.
const LEAST_CHARGE: usize = 4 << 10;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) max: usize,
    pub(super) within: Duration,
    pub(super) budget: &'a Budget,
    /// The length the client declared.
    pub(super) declared: Option<usize>,
    pub(super) gzip: bool,
}

impl Reading<'_> {
    /// Refuses a body before a byte of it is read, and charges what it is declared to have.
    pub(super) fn admit(self) -> Result<Reservation, BodyError> {
        let declared = self.declared.unwrap_or_default();
        if declared > self.max {
            return Err(BodyError::TooLarge(self.max));
        }
        self.budget.try_reserve(declared + LEAST_CHARGE).ok_or(BodyError::Busy)
    }

    /// The body's bytes, decompressed, and their charge to the budget.
    pub(super) async fn read(
        self,
        stream: &mut BodyDataStream,
        held: Reservation,
    ) -> Result<(Bytes, Reservation), BodyError> {
        let buffer = Buffer { out: Vec::new(), max: self.max, held, fault: None };
        let read = async {
            if self.gzip { inflate(stream, buffer).await } else { copy(stream, buffer).await }
        };
        tokio::time::timeout(self.within, read).await.unwrap_or(Err(BodyError::Slow))
    }
}

async fn next(stream: &mut BodyDataStream) -> Result<Option<Bytes>, BodyError> {
    match stream.next().await {
        None => Ok(None),
        Some(Ok(chunk)) => Ok(Some(chunk)),
        Some(Err(error)) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                if error.is::<tower_http::timeout::TimeoutError>() {
                    return Err(BodyError::Slow);
                }
                cause = error.source();
            }
            Err(BodyError::Broken("the connection broke before the body's end"))
        }
    }
}

async fn copy(
    stream: &mut BodyDataStream,
    mut buffer: Buffer,
) -> Result<(Bytes, Reservation), BodyError> {
    // Most bodies arrive in one piece, which is then used as it is.
    let Some(first) = next(stream).await? else { return Ok(buffer.finish()) };
    let Some(second) = next(stream).await? else {
        buffer.room(first.len())?;
        return Ok((first, buffer.held));
    };
    buffer.push(&first)?;
    buffer.push(&second)?;
    while let Some(chunk) = next(stream).await? {
        buffer.push(&chunk)?;
    }
    Ok(buffer.finish())
}

async fn inflate(
    stream: &mut BodyDataStream,
    buffer: Buffer,
) -> Result<(Bytes, Reservation), BodyError> {
    const NOT_GZIP: BodyError = BodyError::Broken("the body is not valid gzip");
    let mut gzip = MultiGzDecoder::new(buffer);
    while let Some(chunk) = next(stream).await? {
        // The buffer refuses the first byte above the limit, so a bomb stops here however it packs.
        if gzip.write_all(&chunk).is_err() {
            return Err(gzip.get_ref().fault.unwrap_or(NOT_GZIP));
        }
    }
    if gzip.try_finish().is_err() {
        return Err(gzip.get_ref().fault.unwrap_or(NOT_GZIP));
    }
    let buffer = gzip.finish().map_err(|_| NOT_GZIP)?;
    Ok(buffer.finish())
}

/// Collects a body within a limit, charging the budget before each growth.
#[derive(Debug)]
struct Buffer {
    out: Vec<u8>,
    max: usize,
    held: Reservation,
    fault: Option<BodyError>,
}

impl Buffer {
    /// Makes sure that `len` bytes in all are allowed and charged.
    fn room(&mut self, len: usize) -> Result<(), BodyError> {
        if len > self.max {
            return Err(BodyError::TooLarge(self.max));
        }
        let charged = self.held.bytes().saturating_sub(LEAST_CHARGE);
        if len > charged {
            let target = len.max(charged * 2).min(self.max);
            if !self.held.try_grow(target - charged) {
                return Err(BodyError::Busy);
            }
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let len = self.out.len() + bytes.len();
        self.room(len)?;
        if len > self.out.capacity() {
            // Never above what is charged, which growing by itself would be.
            let charged = self.held.bytes().saturating_sub(LEAST_CHARGE);
            self.out.reserve_exact(charged - self.out.len());
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self) -> (Bytes, Reservation) {
        (self.out.into(), self.held)
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(fault) => {
                self.fault = Some(fault);
                Err(io::Error::other("refused"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads on after a refusal, keeping nothing, so that a client still sending reads the answer
/// instead of a reset connection. Bounded in bytes and time; then the connection is cut.
pub(super) async fn drain(stream: &mut BodyDataStream, max: usize) {
    let read = async {
        let mut left = max;
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
}
