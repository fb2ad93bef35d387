//! The `Sink` contract and every sink.
//!
//! ```text
//!  router ── SinkBatch ──► Sink::write … Sink::commit ──► Delta table │ Kafka topic │ HTTP
//!                                            │
//!                                            └─ ledger: next offset, epoch, counts; same commit
//!  job ── rows ──► StagedTable ── PreparedFiles ──► checkpoint ──► EpochCommitter ──► Delta table
//! ```
//!
//! Invariants: offsets and data commit together; a writer whose epoch is old fails its commit; an
//! ambiguous commit is read back before anything else happens; the ledger adds up
//! (`next − first = written + filtered + dead + gaps`).
//!
//! Must not know: who feeds it.

pub mod conformance;
mod contract;
mod delivery;
mod delta;
mod http;
mod kafka;
mod rows;

pub use contract::{Ledger, Progress, Records, Sink, SinkBatch, SinkError};
pub use delivery::{AtLeastOnce, DeadLetterBook, Delivery, LedgerBook, Move};
pub use delta::{
    AuditRow, Committed, DeadLetterQuery, DeadLetterRow, EpochCommitter, JobLedger, JobSink,
    PartitionColumn, PreparedFiles, ScanPosition, StagedTable, StoreWrap, TableFacts, TableScan,
    TableSettings, TableSinkSettings, Warehouse, WarehouseSettings,
};
pub use http::{HttpDelivery, HttpFormat, HttpHeaders, HttpSettings, RetryPolicy};
pub use kafka::{KafkaDelivery, KafkaDeliverySettings, ROW_HEADER};
pub use rows::JsonRows;
