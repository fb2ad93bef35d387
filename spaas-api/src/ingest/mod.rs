//! Events over HTTP: `POST /v1/streams/{stream}/events`, acknowledged only once the log has them.
//!
//! ```text
//!  headers ► format ► rate ► body ► split ► envelope ► door ► record ► Transport ► answer
//!            415      429    413    400     Cloud-     schema id, key, waits       202
//!                            503    413     Events     400    value                400 503
//! ```
//!
//! Bodies: CloudEvents 1.0 (structured, batch, binary mode), NDJSON, one JSON object or a list of
//! them. A bad event is listed with index, line and column, and does not keep the others out.
//!
//! Record: the value is the object of the stream's columns (the `data` of a `CloudEvent`);
//! attributes become `ce_*` headers; the key column's value is the key. Id: the id column, else the
//! attribute `id`, else a new `UUIDv7`; either is then also put into the id column.
//!
//! Invariants: no 202 before every accepted event was acknowledged; no byte is held that is not
//! charged to the budget; what passes the door decodes in the router.
//!
//! Metrics: [`METRICS`].

mod answer;
mod body;
mod door;
mod envelope;
mod fit;
mod format;
mod handler;
mod rate;
mod record;
mod settings;
mod split;
mod streams;
mod text;

pub use handler::{METRICS, router};
pub use settings::{IngestLimits, IngestSettings, Rate};
pub use streams::StreamSet;
