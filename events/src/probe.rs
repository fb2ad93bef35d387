//! Named steps of the data path, so that tests can stop the process exactly there.

use std::fmt;
use std::str::FromStr;

/// A step of the protocol at which a crash must lose and double nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Records were taken from the broker, nothing else happened.
    AfterPoll,
    /// A batch became Arrow columns.
    AfterDecode,
    /// Some bytes of a data file are on the object store, not all.
    MidUpload,
    /// Every data file is uploaded; the commit was not sent.
    BeforeCommit,
    /// The commit is in the table's log; nobody was told.
    AfterCommitBeforeAck,
    /// Partitions are being handed over.
    DuringRebalance,
}

impl Step {
    /// Every step, in the order an event meets them.
    pub const ALL: [Self; 6] = [
        Self::AfterPoll,
        Self::AfterDecode,
        Self::MidUpload,
        Self::BeforeCommit,
        Self::AfterCommitBeforeAck,
        Self::DuringRebalance,
    ];

    /// The step's name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterPoll => "after-poll",
            Self::AfterDecode => "after-decode",
            Self::MidUpload => "mid-upload",
            Self::BeforeCommit => "before-commit",
            Self::AfterCommitBeforeAck => "after-commit-before-ack",
            Self::DuringRebalance => "during-rebalance",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|step| step.name() == s)
            .ok_or_else(|| format!("unknown step `{s}`; one of: {}", names()))
    }
}

/// Is told when a step is reached. Production passes [`NoProbe`].
pub trait Probe: Send + Sync + fmt::Debug {
    /// The step was reached.
    fn reached(&self, step: Step);
}

/// Does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn reached(&self, _: Step) {}
}
