//! What can be done with jobs, and how they are doing.

pub(crate) mod numbers;
pub(crate) mod runs;
pub(crate) mod savepoints;
pub(crate) mod status;
pub(crate) mod streams;
pub(crate) mod tries;
pub(crate) mod verbs;
pub(crate) mod versions;
pub(crate) mod wait;
