//! Keyed state of operators: tables of bytes, spill, checkpoints under a fenced manifest.
