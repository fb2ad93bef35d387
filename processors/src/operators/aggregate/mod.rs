//! Aggregates of groups: which rows belong to which group, states in columns, states as bytes.
//!
//! ```text
//! rows ─ Grouper ─► group of each row ─ AggregateSet::update ─► States ─ merge ─► bytes in a table
//!                       DistinctTable ─► rows with new values ──┘   └─ finish ─► result columns
//! ```

mod average;
mod cell;
mod count;
mod distinct_table;
mod distinct_values;
mod extreme;
mod factory;
mod function;
mod grouper;
mod moments;
mod picked;
mod registered;
mod sequence;
mod set;
#[cfg(test)]
mod set_tests;
mod states;
mod sum;
mod text_extreme;

pub(crate) use distinct_table::DistinctTable;
pub(crate) use grouper::{Grouper, spread};
pub(crate) use set::{AggregateSet, Distinct, Input};
pub(crate) use states::States;
