//! Delta tables: data, offsets and writer epochs in one commit.
//!
//! ```text
//!  WithDeadLetters ──► TableSink ── columns, partition ──► files ── open_file, upload ──► store
//!        │                 └─ commit: decide ─► log (put of exactly the next version) ──► store
//!        └─ dead_table                              ledger_table ─┘
//! ```

mod actions;
mod checkpoint;
mod columns;
mod commit;
mod dead_rows;
mod dead_table;
mod decide;
mod files;
mod ledger_table;
mod ledgers;
mod log;
mod open_file;
mod partition;
mod schema;
mod settings;
mod sink;
mod stats;
mod store;
mod upload;
mod warehouse;
mod with_dead;

pub use settings::{
    AuditRow, DeadLetterQuery, DeadLetterRow, PartitionColumn, StoreWrap, TableSinkSettings,
    WarehouseSettings,
};
pub use warehouse::Warehouse;
