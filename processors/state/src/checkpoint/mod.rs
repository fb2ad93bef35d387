//! Checkpoints of a job in an object store, made visible by one writer at a time.
//!
//! Below the prefix of a job lie
//!
//! * `manifests/{sequence}.json`: a log. Entries are made only by put-if-absent, each at the number
//!   after the newest one, so that all runs agree on their order. An entry is a *claim* (a run with
//!   the next generation takes over) or a complete *checkpoint* (its whole manifest).
//! * `state/g{generation}-c{checkpoint}/…`: state files, named by manifests.
//! * `savepoint.json`: instead of the log, where the prefix holds a savepoint.
//!
//! The protocol, by steps (tests break it at each):
//! 1. A run claims: reads the newest entry, appends a claim after it. Whoever appends at that place
//!    first has the generation; the other one begins again.
//! 2. For a checkpoint it writes state files, then appends the manifest right after its own last
//!    entry. If anything else is there, a newer run has claimed: this one is fenced.
//! 3. After any append it looks for entries further on: places of collected entries are free again,
//!    and a run that slept that long must not believe that it wrote the newest one.
//! 4. A put that failed may have succeeded: the entry is read back and compared.

mod claim;
mod collect;
mod decide;
mod entry;
mod manifest;
mod savepoint;
mod store;

#[cfg(test)]
mod collect_tests;
#[cfg(test)]
mod faulty_store;
#[cfg(test)]
mod protocol_tests;

pub use claim::Claim;
pub use collect::Collected;
pub use entry::state_path;
pub use manifest::{Manifest, OperatorState, SplitState, StateFile, SubtaskState};
pub use store::CheckpointStore;
