//! Events of the Nexmark benchmark as Arrow batches, its queries, and their batch results.
//!
//! ```text
//! Settings ──generate──► Events ──partitioned──► Events per partition ──► the engine under test
//!                          │                                                   │ rows
//!                          └──expected (batch SQL)──► rows ──normalise──►  =? ◄┘
//! ```
//!
//! The same settings give the same rows on every machine. Nothing here knows the streaming engine:
//! it reads [`sql`] and [`sink`], and what it gives is compared with [`expected`].

mod combined;
mod expected;
mod functions;
mod generate;
mod normalise;
mod partitioned;
mod queries;
mod rows;
mod schema;

pub use combined::combined;
pub use expected::{NexmarkError, conform, expected};
pub use functions::count_char;
pub use generate::{Events, Generator, Settings, generate};
pub use normalise::normalise;
pub use partitioned::{Dealing, partitioned};
pub use queries::{QUERIES, Sink, reference, sink, sql};
pub use schema::{AUCTION, BID, PERSON, auction_schema, bid_schema, micros, person_schema, schema};
