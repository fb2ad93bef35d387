//! Manifests: YAML or JSON text → checked streams, routes, jobs, connections and namespaces, or
//! every mistake with file, line, column and JSON pointer.
//!
//! ```text
//!  texts ─ json, yaml ─► nodes with places ─ declare ─► drafts ─ check ─► Manifests
//!                              └─ document ─► kind, name, canonical spec, own text
//!                  every step adds to one report and goes on; nothing stops at the first mistake
//! ```
//!
//! Must not know: HTTP, where goal state is kept, how SQL is planned: it comes in as [`SqlCheck`].
//!
//! What a manifest may contain is said twice: `schema` is its published JSON Schema; `stream`,
//! `route`, `connection` and `job_reader` read it. A test holds the two together.

mod canonical;
mod check;
mod connection;
mod declare;
mod document;
#[cfg(test)]
mod document_tests;
mod fields;
mod job;
mod job_reader;
mod json;
#[cfg(test)]
mod kinds_tests;
mod load;
mod manifests;
mod metadata;
mod mistake;
mod quantity;
mod route;
mod schema;
#[cfg(test)]
mod schema_tests;
mod sql_place;
mod stream;
pub mod suggest;
mod target;
#[cfg(test)]
mod testing;
mod yaml;

pub use canonical::{canonical, to_json, to_yaml};
pub use document::{Document, DocumentKind, documents};
pub use job::{ConnectionKind, ConnectionSpec, JobSpec, SecretRef, SinkSpec, qualified};
pub use load::{MAX_TEXT_BYTES, load_dir, load_text, load_texts, load_texts_in};
pub use manifests::{
    Manifests, NamespaceSpec, RollSpec, RouteSpec, SqlCheck, StreamExtras, Target,
};
pub use mistake::{Mistake, SqlFault};
pub use quantity::{parse_duration, parse_size};
pub use schema::json_schema;
