//! What the tests of the whole platform are told with.
//!
//! ```text
//!  seeded events ──► broker ──► a `millrace` process, killed, frozen, restarted ──► tables
//!        └─ Acked: what was acknowledged ── must be exactly ── Contents: what the tables hold ─┘
//! ```
//!
//! Must not know: the inside of any room. Tests speak to a process, a broker, HTTP and tables.

mod acked;
mod api;
mod binary;
mod deadline;
mod events;
mod feed;
mod kafka;
mod process;
mod recommender;
mod s3;
mod site;
mod tables;
pub mod tidy;
mod workers;

pub use acked::{Acked, Contents};
pub use api::{Answer, Api};
pub use binary::millrace_binary;
pub use deadline::{HANGS_AFTER, eventually};
pub use events::{EventMaker, Fate, Planned, manifests, manifests_rolling, unique};
pub use feed::{latest_by_key, write_feed};
pub use kafka::KafkaWriter;
pub use process::{Exit, Millrace};
pub use recommender::Recommender;
pub use s3::S3Server;
pub use site::Site;
pub use tables::Tables;
pub use workers::{kill_worker, workers};
