//! Why state could not be kept, by what the caller can do.

/// A failure of state or of its checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A newer run of the job owns its checkpoints: this one must stop.
    #[error("run {ours} of the job was replaced by run {theirs}")]
    Fenced {
        /// Generation of this run.
        ours: u64,
        /// Generation found.
        theirs: u64,
    },
    /// The store failed for now; the run restarts from its last checkpoint.
    #[error("{what}: {source}")]
    Store {
        /// What was being done, on what.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was stored is not what was written, or was written by a version this one cannot read.
    #[error("{0}")]
    Damaged(String),
    /// A type that state cannot hold.
    #[error("a {0} cannot be part of state")]
    Type(String),
}

impl StateError {
    /// A failure of the store.
    pub fn store(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Store { what: what.into(), source: source.into() }
    }
}
