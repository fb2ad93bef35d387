//! Why a source or sink failed, by what the run can do.

/// A failure of a source or sink.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// Failed for now: the run restarts from its last checkpoint.
    #[error("{what}: {source}")]
    Retry {
        /// What was being done, on what.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer run owns the destination: this one must stop.
    #[error("`{sink}` belongs to a newer run of the job")]
    Fenced {
        /// The destination.
        sink: String,
    },
    /// It will not work until somebody changes something.
    #[error("{0}")]
    Rejected(String),
}

impl ConnectorError {
    /// A failure worth a retry.
    pub fn retry(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Retry { what: what.into(), source: source.into() }
    }

    /// Whether a restart may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }
}
