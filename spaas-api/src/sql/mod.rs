//! Read-only SQL over the tables.
//!
//! ```text
//!  text ─ guard (tokens, syntax tree) ─► one question ─ open only the tables it names ─►
//!       ─ plan ─ guard (plan nodes) ─► DataFusion, in a session that reaches nothing else ─► Rows
//! ```
//!
//! Invariants: nothing is written, no file, address or setting is reachable; time, memory, rows and
//! the number of questions at once are bounded; an error names line and column and no path.

mod deadline;
mod describe;
mod engine;
mod error;
mod format;
mod guard;
mod http;
mod parse;
mod rows;
mod session;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use millrace_events::TableName;

pub use engine::SqlEngine;
pub use error::{SqlError, SqlErrorKind};
pub use format::{Encoder, Format, UnknownFormat, WriteError, Written, write_batches, write_rows};
pub use http::router;
pub use rows::Rows;

/// Why a table could not be listed or opened. It is logged, never shown to who asked.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// The tables SQL can read, stored and virtual.
#[async_trait]
pub trait TableSource: Send + Sync {
    /// Their names.
    async fn tables(&self) -> Result<Vec<TableName>, SourceError>;

    /// The newest state of one of them. Every question opens anew the tables it names, and no
    /// other.
    async fn open(&self, table: &TableName) -> Result<Arc<dyn TableProvider>, SourceError>;
}

/// What one question, and all together, may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlLimits {
    /// Time from question to last row.
    pub time: Duration,
    /// Memory of all questions together, in bytes. Nothing is spilled to disk.
    pub memory_bytes: usize,
    /// Rows of one answer; what is beyond is cut off and said.
    pub rows: usize,
    /// Length of the SQL text in bytes.
    pub sql_bytes: usize,
    /// Questions at once; the next one is told to come back.
    pub queries: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            memory_bytes: 256 << 20,
            rows: 100_000,
            sql_bytes: 64 << 10,
            queries: 4,
        }
    }
}
