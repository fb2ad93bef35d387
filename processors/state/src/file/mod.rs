//! Files of state: what changed in the tables of an instance between two checkpoints.
//!
//! # Format, version 1
//!
//! An Arrow IPC stream, buffers compressed with LZ4. Its schema has the metadata
//!
//! * `millrace.state` = `1`, and `millrace.rows` = version of the encoding of keys and values;
//! * `millrace.tables` = JSON list of `{operator, table, dropped}`: `dropped` are the namespaces
//!   that were dropped *before* the rows of this file, by the owner of the file's key groups.
//!
//! Each row is a change, later ones take the place of earlier ones:
//!
//! | column | type | |
//! |---|---|---|
//! | `table` | `UInt32` | place in the list of tables |
//! | `namespace` | `Int64` | |
//! | `group` | `UInt16` | key group |
//! | `key` | `Binary` | |
//! | `value` | `Binary` | null: removed |
//!
//! The state of an instance is the sum of a chain of such files. A chain that got long, or in
//! which a third of the rows is out of date, is rewritten as one file in the background.

mod encode;
mod format;
mod load;
mod merge;
mod read;
mod write;

#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod file_tests;

pub use load::{Basis, StateTables};
pub use merge::when_to_merge;
