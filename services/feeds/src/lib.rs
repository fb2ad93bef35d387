//! Feeds, materialised: an embedded store that follows compacted topics.
//!
//! ```text
//!  topic (a Feed of a job) ──► follower: reader ──► FeedStore: rows and positions, one batch
//!                                  ▲                   │ start      │
//!                                watch                 ▼            ▼
//!                       (where does it end?)        View::apply   GET /v1/feeds/{name}?since=
//! ```
//!
//! Duty: keep the latest row per key of each feed on disk, hand every change to the views of a
//! service, say how far behind that is, and let others read the same rows over HTTP.
//!
//! Invariants: rows of a partition and the offset after them are written together, so that a
//! restart goes on exactly where it was; views see a change after the store has it; only the
//! follower writes.
//!
//! Must not know: how a feed was computed, what a service does with its rows.

mod error;
mod follower;
mod http;
mod store;
mod view;

pub use error::FeedError;
pub use follower::{FeedStatus, Follower, FollowerSettings, Statuses};
pub use http::{FeedApi, Token, TokenError};
pub use store::{Changed, Changes, FeedStore, Opened, Places};
pub use view::{Change, View};
