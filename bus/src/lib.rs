//! Kafka, seen as batches per partition stamped with their positions.
//!
//! ```text
//!  topics ──► Consumer::poll ──► RawBatch { tp, range, records }    (router, processors)
//!  Outgoing ──► Producer ──► topics, acknowledged by all replicas   (emitters, ingest, sinks)
//!  no cluster at hand? EmbeddedBroker: the Kafka protocol on a local folder
//! ```
//!
//! Duty: talk to Kafka, real or embedded, through one client library; say exactly which offsets a
//! batch accounts for; keep prefetched bytes under a limit; hand over partitions in a rebalance.
//!
//! Invariants: per partition the range of each batch starts where the one before ended; a partition
//! delivers nothing between its assignment and `start_at`; this room never decides where reading
//! resumes and never commits (group offsets are a display of lag, nothing reads them back).
//!
//! Must not know: what happens to the batches.

mod admin;
mod consumer;
mod embedded;
mod error;
mod logging;
mod producer;
mod progress;
mod settings;
pub mod testing;

pub use admin::{Admin, TopicSettings, TopicState};
pub use consumer::{Consumer, FetchLimits, Rebalance};
pub use embedded::EmbeddedBroker;
pub use error::BusError;
pub use producer::{EnqueueError, OutgoingRef, Producer, ProducerLimits};
pub use progress::GroupProgress;
pub use settings::KafkaSettings;
