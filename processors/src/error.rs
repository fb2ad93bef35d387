//! Why a run of a job ended, by what its owner can do.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use millrace_state::StateError;

/// A failure of a run. All but `Fenced` and `Query` are worth a restart from the last checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A row could not be computed (overflow, division by zero, a failed cast).
    #[error("operator `{operator}`: {source}")]
    Query {
        /// Operator id.
        operator: String,
        /// The cause.
        source: DataFusionError,
    },
    /// State or checkpoints.
    #[error(transparent)]
    State(#[from] StateError),
    /// A source or sink.
    #[error(transparent)]
    Connector(#[from] crate::connector::ConnectorError),
    /// Columns did not fit: a fault of ours.
    #[error("columns of an operator do not fit: {0}")]
    Columns(#[from] ArrowError),
    /// The state there is was made by a query that this one cannot take over from.
    #[error("`{operator}` cannot go on with the state there is: {why}")]
    Incompatible {
        /// Operator id.
        operator: String,
        /// What changed, and what can be done.
        why: String,
    },
    /// Some of the state there is has no use in this query, and all of it is to be kept.
    #[error(
        "the job has no operator that takes over the state of `{}`", operators.join("`, `")
    )]
    WouldDrop {
        /// Ids of the operators that made it.
        operators: Vec<String>,
    },
    /// The run was told to stop, or another part of it failed first.
    #[error("the run was stopped")]
    Stopped,
    /// The plan asks for what this version cannot run.
    #[error("{0}")]
    Unsupported(String),
}

impl JobError {
    /// The same, said of this operator if it was said of none.
    #[must_use]
    pub(crate) fn of(self, operator: &str) -> Self {
        match self {
            Self::Query { operator: unknown, source } if unknown.is_empty() => {
                Self::Query { operator: operator.to_owned(), source }
            }
            other => other,
        }
    }

    /// Whether a restart may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::State(error) => matches!(error, StateError::Store { .. }),
            Self::Connector(error) => error.is_retryable(),
            Self::Stopped => true,
            Self::Query { .. }
            | Self::Incompatible { .. }
            | Self::WouldDrop { .. }
            | Self::Columns(_)
            | Self::Unsupported(_) => false,
        }
    }
}

impl From<DataFusionError> for JobError {
    fn from(source: DataFusionError) -> Self {
        Self::Query { operator: String::new(), source }
    }
}
