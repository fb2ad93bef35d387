//! Why a command ended before it was done.

use std::io;

use crate::exit::ExitKind;
use crate::problem::Problem;

/// Why a command ended before it was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It did not work.
    #[error("{0}")]
    Failed(String),
    /// Told in full already, or to be told as it is, without `error:` before it.
    #[error("{text}")]
    Told {
        /// What to tell.
        text: String,
        /// How the command ends.
        exit: ExitKind,
    },
    /// The server said no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// What was waited for did not come in time.
    #[error("{0}")]
    TimedOut(String),
    /// Nobody answers.
    #[error("{server} does not answer: {why}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
    /// Results cannot be written, or questions not answered.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl ClientError {
    /// How the command ends.
    pub(crate) fn exit(&self) -> ExitKind {
        match self {
            Self::Usage(_) => ExitKind::Usage,
            Self::Told { exit, .. } => *exit,
            Self::Problem(problem) => problem.exit(),
            Self::TimedOut(_) => ExitKind::TimedOut,
            Self::Unreachable { .. } => ExitKind::Unreachable,
            // Whoever read the results has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitKind::Done,
            Self::Failed(_) | Self::Output(_) => ExitKind::Failed,
        }
    }

    /// What to tell; `None` if there is nobody to be told.
    pub(crate) fn telling(&self) -> Option<String> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Told { text, .. } => Some(text.clone()),
            Self::Problem(problem) => Some(format!("error: {}", problem.telling())),
            other => Some(format!("error: {other}")),
        }
    }
}
