//! Delta tables: data, offsets and writer epochs in one commit.
//!
//! ```text
//!  WithDeadLetters ──► TableSink ──► table_writer ──► columns, partition, files ──► store
//!        │                 └─ want ──► commit ─► log (put of exactly the next version) ──► store
//!        └─ dead_table                    ▲             ledger_table ─┘
//!  StagedTable ──► table_writer           │
//!        └─ PreparedFiles ──► EpochCommitter ── job_step
//! ```
//!
//! `commit` is the one loop that writes a log entry; what a commit does to the table's transaction
//! identifiers is a `Change`: of a route's ledgers (`want`, decided by `decide`) or of a job's
//! (`job_step`).

mod actions;
mod checkpoint;
mod columns;
mod commit;
mod dead_rows;
mod dead_table;
mod decide;
mod epoch_committer;
mod facts;
mod files;
mod job_ledger;
mod job_step;
mod ledger_table;
mod ledgers;
mod log;
mod open_file;
mod partition;
mod scan;
mod schema;
mod settings;
mod sink;
mod staged;
mod stats;
mod store;
mod table_writer;
mod upload;
mod want;
mod warehouse;
mod with_dead;

pub use epoch_committer::{Committed, EpochCommitter};
pub use facts::TableFacts;
pub use job_ledger::{JobLedger, JobSink};
pub use scan::{ScanPosition, TableScan};
pub use settings::{
    AuditRow, DeadLetterQuery, DeadLetterRow, PartitionColumn, StoreWrap, TableSettings,
    TableSinkSettings, WarehouseSettings,
};
pub use staged::{PreparedFiles, StagedTable};
pub use warehouse::Warehouse;
