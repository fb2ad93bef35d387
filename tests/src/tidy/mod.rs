//! The house rules that a machine can check, each as a function from text to the faults found in
//! it.

mod arrows;
mod lexer;
mod rules;
mod tree;

pub use arrows::{arrows, rooms_know_only_what_they_may};
pub use lexer::{Function, blank, functions};
pub use rules::{Fault, manifest_faults, rust_faults, text_faults};
pub use tree::{Tree, repository};
