//! From the text of manifests to changes that may be made, or all that is wrong with them.
//!
//! ```text
//!  text ─ draft ─► drafts ─┐
//!  store ─ declared ───────┼─ load (spec) ─ owners ─ jobs (Planner) ─ readers ─► checked changes
//!                          └─ unchanged SQL is not planned again
//! ```
//!
//! A dry run is the same path without the write.
//!
//! Invariants: what is admitted is admitted against one picture of everything declared; a writer
//! holds [`Admission::turn`] from that picture to its write.
//!
//! Must not know: HTTP, how SQL is planned.

mod assign;
mod check;
mod declared;
mod diff;
mod draft;
mod jobs;
mod load;
mod outline;
mod owners;
mod readers;
mod refusal;
mod removal;
mod tried;

pub use assign::stream_topic;
pub use check::{Admission, Checked, Wish};
pub use declared::{document, topic_of};
pub use draft::{Draft, Drafts};
pub use jobs::needed;
pub use owners::full_name;
pub use refusal::{Conflict, Fault, Refusal};
pub use tried::Tried;
