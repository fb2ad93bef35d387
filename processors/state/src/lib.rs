//! Keyed state of operators: tables of bytes, spill, checkpoints under a fenced manifest.
//!
//! Invariants: a checkpoint is visible only when complete; a run that was replaced cannot make one
//! visible; a file is collected only when no manifest that may still be read names it.
//!
//! Must not know: what the bytes mean, SQL, how operators are scheduled.

mod checkpoint;
mod error;
mod file;
mod key;
mod row;
mod table;
mod varint;

pub use checkpoint::{
    CheckpointStore, Claim, Collected, Manifest, OperatorState, SplitState, StateFile,
    SubtaskState, state_path,
};
pub use error::StateError;
pub use file::{Basis, StateTables, when_to_merge};
pub use key::{KEY_GROUPS, Key, KeyGroup, KeyGroups, hash};
pub use row::{ROW_FORMAT, RowCodec, Rows};
pub use table::{Change, Frozen, StateMemory, Table, spill_if_needed};
