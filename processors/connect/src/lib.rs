//! Connectors of jobs: streams from Kafka, tables to read and write, feeds.
//!
//! ```text
//!  topic ──► KafkaStream ─┐                 ┌─► DeltaTable ── files ─► checkpoint ─► one commit
//!                         ├─► job ─ rows ──►┤
//!  table ──► TableRows ───┘                 └─► Feed ── upserts by key, drained before it
//! ```
//!
//! Duty: implement the contracts of `millrace_processors::connector` over `bus` and `sinks`; no
//! logic of either is repeated here.
//!
//! Invariants: reading goes on exactly where the checkpoint says; a row that cannot be decoded is
//! counted and handed on, never dropped; what a table shows is what complete checkpoints hold;
//! every change of a feed is acknowledged before the checkpoint that covers it is complete.
//!
//! Must not know: SQL, operators, who runs the job.

mod delta_table;
mod error;
mod feed;
mod kafka;
mod table_rows;

pub use delta_table::DeltaTable;
pub use feed::{Feed, FeedSettings};
pub use kafka::{
    DeadLetterHook, DeadLettersCounted, DeadLettersKept, KafkaStream, KafkaStreamSettings, StartAt,
};
pub use table_rows::TableRows;
