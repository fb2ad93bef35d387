//! Replay sources: recorded data as events, the same events every time.

mod open_bandit;

pub use open_bandit::OpenBandit;

/// An event of a recording, ready to be emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayEvent {
    /// The stream it belongs to.
    pub stream: &'static str,
    /// The event, a JSON object.
    pub json: Vec<u8>,
    /// Its id, which `json` carries as `event_id`; the same in every replay.
    pub id: String,
    /// When it happened, milliseconds since the Unix epoch.
    pub event_time_ms: i64,
    /// What its record is keyed by.
    pub key: String,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be opened or read.
    #[error("cannot read {file}: {source}")]
    Io {
        /// Path within the recording.
        file: String,
        /// What the file system said.
        source: std::io::Error,
    },
    /// A file is not the table it should be.
    #[error("{file}: {source}")]
    Csv {
        /// Path within the recording.
        file: String,
        /// What is wrong, and where.
        source: csv::Error,
    },
    /// A value cannot be understood.
    #[error("{file}, row {row}: cannot read {column} `{value}`")]
    Value {
        /// Path within the recording.
        file: String,
        /// Row, counted from 0 without the heading.
        row: u64,
        /// Column name.
        column: String,
        /// What stands there.
        value: String,
    },
}
