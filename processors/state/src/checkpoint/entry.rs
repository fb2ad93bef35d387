//! Entries of the log of manifests, and where things lie below the prefix of a job.

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::Manifest;
use crate::StateError;

/// Version of what is written to the log and to savepoints.
const FORMAT: u32 = 1;

/// Folder of the log.
pub(super) const LOG: &str = "manifests";

/// Folder of state files.
pub(super) const STATE: &str = "state";

/// The manifest of a savepoint.
pub(super) const SAVEPOINT: &str = "savepoint.json";

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    /// Its place in the log.
    pub(super) sequence: u64,
    /// Generation of the run that wrote it.
    pub(super) generation: u64,
    /// Name of the run, unlike that of any other: tells its entries from those of a rival that
    /// claims the same generation.
    pub(super) run: String,
    pub(super) kind: Kind,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A run takes over; `latest` is where the newest complete checkpoint stands.
    Claim { latest: Option<u64> },
    /// A checkpoint is complete.
    Checkpoint(Box<Manifest>),
    /// A savepoint is complete (stands alone, not in a log).
    Savepoint(Box<Manifest>),
}

impl Entry {
    pub(super) fn new(sequence: u64, generation: u64, run: &str, kind: Kind) -> Self {
        Self { format: FORMAT, sequence, generation, run: run.into(), kind }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data with string keys")
    }

    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |e: serde_json::Error| StateError::Damaged(format!("{path}: {e}"));
        // The version first: a later one may have other fields.
        let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format != FORMAT {
            let why = format!("{path} has format {format}; this version reads {FORMAT}");
            return Err(StateError::Damaged(why));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// Where the newest complete checkpoint stands when this is the newest entry.
    pub(super) fn latest(&self) -> Option<u64> {
        match self.kind {
            Kind::Claim { latest } => latest,
            Kind::Checkpoint(_) | Kind::Savepoint(_) => Some(self.sequence),
        }
    }
}

/// File name of an entry: zeros in front, so that names sort as numbers.
pub(super) fn log_name(sequence: u64) -> String {
    format!("{LOG}/{sequence:020}.json")
}

/// The number of the entry of this name.
pub(super) fn sequence_of(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}

/// Path of a state file below the prefix. Its folder says how old it is.
pub fn state_path(generation: u64, checkpoint: u64, name: &str) -> String {
    format!("{STATE}/g{generation:010}-c{checkpoint:010}/{name}")
}

/// Generation and checkpoint for which the file at `path` (below the prefix) was written.
pub(super) fn age_of(path: &str) -> Option<(u64, u64)> {
    let folder = path.strip_prefix(STATE)?.strip_prefix('/')?.split('/').next()?;
    let (generation, checkpoint) = folder.strip_prefix('g')?.split_once("-c")?;
    Some((generation.parse().ok()?, checkpoint.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_were_made_of() {
        assert_eq!(sequence_of(&Path::from(log_name(17))), Some(17));
        assert_eq!(age_of(&state_path(3, 12, "x/0.arrow")), Some((3, 12)));
        for other in ["state/x", "other/g1-c2/x", "state/g1/x", "stately/g1-c1/x"] {
            assert_eq!(age_of(other), None, "{other}");
        }
    }

    #[test]
    fn entries_of_a_later_format_are_refused_by_number() {
        let path = Path::from("p");
        let error = Entry::decode(&path, br#"{"format": 2, "new": 1}"#).unwrap_err();
        assert_eq!(error.to_string(), "p has format 2; this version reads 1");
        let entry = Entry::new(1, 1, "r", Kind::Claim { latest: None });
        assert_eq!(Entry::decode(&path, &entry.encode()).unwrap(), entry);
    }
}
