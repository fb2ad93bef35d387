//! The HTTP API, served in this process over a store in a file and an engine of a few lines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod declare;
mod engine;
mod jobs;
mod mistakes;
mod openapi;
mod support;
