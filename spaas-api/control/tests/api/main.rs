//! The HTTP API, served in this process over a store in a file and an engine of a few lines.

mod access;
mod declare;
mod engine;
mod jobs;
mod mistakes;
mod openapi;
mod support;
