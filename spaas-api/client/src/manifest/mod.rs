//! Manifests: files to one request, and mistakes in the request back to the files.
//!
//! ```text
//!  files ─ read ─► sources (yaml: nodes with places; SQL files) ─ request ─► text, and where its lines are from
//!                                     mistakes ◄─ locate ◄─ problem ◄──┘
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
