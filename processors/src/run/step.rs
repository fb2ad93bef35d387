//! Named steps of a run's protocol, so that tests can stop it exactly there.

use std::fmt;
use std::str::FromStr;

use crate::JobError;

/// A step at which a crash must lose and double nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStep {
    /// The run owns the job's checkpoints; no task exists yet.
    Claimed,
    /// State was read back; nothing was processed.
    Restored,
    /// Rows were read; nothing happened to them.
    RowsRead,
    /// A source has taken its positions for a checkpoint.
    PositionsTaken,
    /// All inputs of an operator task have brought the barrier.
    Aligned,
    /// A task has frozen its state and passed the barrier on.
    Frozen,
    /// A task's state is in the object store.
    StateWritten,
    /// A sink has made everything before the barrier durable, not visible.
    Prepared,
    /// Everything of the checkpoint is durable; its manifest is not written.
    BeforeManifest,
    /// The checkpoint is complete; no sink has committed.
    AfterManifest,
    /// Every sink has committed; nobody was told.
    AfterCommit,
}

impl JobStep {
    /// Every step, in the order a checkpoint meets them.
    pub const ALL: [Self; 11] = [
        Self::Claimed,
        Self::Restored,
        Self::RowsRead,
        Self::PositionsTaken,
        Self::Aligned,
        Self::Frozen,
        Self::StateWritten,
        Self::Prepared,
        Self::BeforeManifest,
        Self::AfterManifest,
        Self::AfterCommit,
    ];

    /// The step's name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Restored => "restored",
            Self::RowsRead => "rows-read",
            Self::PositionsTaken => "positions-taken",
            Self::Aligned => "aligned",
            Self::Frozen => "frozen",
            Self::StateWritten => "state-written",
            Self::Prepared => "prepared",
            Self::BeforeManifest => "before-manifest",
            Self::AfterManifest => "after-manifest",
            Self::AfterCommit => "after-commit",
        }
    }
}

impl fmt::Display for JobStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JobStep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|step| step.name() == text)
            .ok_or_else(|| format!("unknown step `{text}`; one of: {}", names()))
    }
}

/// Is told when a step is reached. Production passes [`NoJobProbe`].
pub trait JobProbe: Send + Sync + fmt::Debug {
    /// The step was reached. An error ends the run there, as a crash would.
    fn reached(&self, step: JobStep) -> Result<(), JobError>;
}

/// Does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJobProbe;

impl JobProbe for NoJobProbe {
    fn reached(&self, _: JobStep) -> Result<(), JobError> {
        Ok(())
    }
}
