//! How a command ends, for scripts.

use std::process::ExitCode;

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  the answer is no: mistakes in manifests or SQL, a refused upgrade, differences
  4  there is no such thing (or it may not be seen)
  5  not allowed: no token, an unknown or expired one, or its role is too low
  6  conflict: it has changed since it was read, or it is in use
  7  not reached in time (--wait)
  8  the server does not answer";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Wrong usage.
    Usage,
    /// The command worked and the answer is no: mistakes, a refused upgrade, differences.
    No,
    /// There is no such thing, or it may not be seen.
    NotFound,
    /// No token, one that is not taken, or a role that is too low.
    NotAllowed,
    /// It has changed since it was read, or something stands in the way.
    Conflict,
    /// What `--wait` waits for did not come in time.
    TimedOut,
    /// The server does not answer.
    Unreachable,
}

impl ExitKind {
    /// The exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::No => 3,
            Self::NotFound => 4,
            Self::NotAllowed => 5,
            Self::Conflict => 6,
            Self::TimedOut => 7,
            Self::Unreachable => 8,
        }
    }
}

impl From<ExitKind> for ExitCode {
    fn from(kind: ExitKind) -> Self {
        Self::from(kind.code())
    }
}
