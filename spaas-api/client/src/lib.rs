//! The command line of the control plane, over its HTTP API.
//!
//! ```text
//!  command, job ── manifest (files → one request, and back: mistakes → file:line:column)
//!       │
//!       ├── connection (which server, which token) ── http (keys, retries, problems)
//!       └── context (stdout, stderr, terminal, environment, clock), output, wait
//! ```
//!
//! Results go to stdout, talk to stderr. Every command ends in an [`ExitKind`].
//!
//! Invariants: a token is sent only to loopback or over TLS and never printed; a change carries the
//! same idempotency key however often it is sent.
//!
//! Must not know: how the API does what it does; it speaks HTTP and nothing else.

mod args;
mod command;
mod connection;
mod context;
mod error;
mod exit;
mod http;
mod job;
mod kind;
mod manifest;
mod output;
mod problem;
mod table;
mod units;
mod wait;

pub use command::{ControlCommand, run, run_in};
pub use context::{Context, Environment};
pub use exit::{EXIT_CODES, ExitKind};
pub use job::{JobVerb, run_job, run_job_in};
