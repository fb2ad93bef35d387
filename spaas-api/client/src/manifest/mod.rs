//! Manifests: files to one request, and mistakes in the request back to the files.
//!
//! ```text
//!  files ─ read ─► sources (yaml: places; SQL files) ─ request ─► text, origins of its lines
//!                        mistakes ◄─ locate ◄─ problem ◄─────────────┘
//! ```

mod locate;
mod read;
mod request;
mod sql_file;
#[cfg(test)]
mod tests;
mod yaml;

pub(crate) use locate::explain;
pub(crate) use read::{Document, Sources};
pub(crate) use request::Request;
