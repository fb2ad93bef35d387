//! Tables of an operator's state: bytes by (namespace, key).
//!
//! Keys and values lie as *records* in *chunks* of memory; an index by namespace and hash says
//! where. Chunks written since the last freeze are *dirty*: records in them change in place.
//! [`Table::freeze`] only seals these chunks and shares them with whoever writes the checkpoint;
//! a record in a sealed chunk is copied to a new dirty one when it changes. Chunks of which half
//! is dead are emptied a few records per operation. Above its share of memory, a table moves the
//! clean chunks not written for longest to a store on disk, with their part of the index.
//!
//! Invariants: the index names every live record in memory once; for each key at most one record
//! of the dirty chunks is live, and a removal stands before it; dropped namespaces apply before all
//! records of the same freeze.

mod chunk;
mod chunks;
mod frozen;
mod local_store;
mod memory;
mod namespace;
mod spill;
mod store;
#[expect(clippy::module_inception, reason = "the room is named after its main idea")]
mod table;
mod tidy;

#[cfg(test)]
mod spill_tests;
#[cfg(test)]
pub(crate) mod table_tests;

pub use frozen::{Change, Frozen};
pub use memory::{StateMemory, spill_if_needed};
pub use table::Table;
