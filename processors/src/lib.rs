//! The streaming SQL engine: operators, watermarks, keyed state, checkpoints.
