//! The command line against a server that answers as the API does.

mod access;
mod apply;
mod connection;
mod jobs;
mod look;
mod support;
