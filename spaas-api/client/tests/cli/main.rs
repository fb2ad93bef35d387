//! The command line against a server that answers as the API does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod apply;
mod connection;
mod jobs;
mod look;
mod support;
