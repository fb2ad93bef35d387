//! Feeds over HTTP, for those who keep a copy of their own: snapshot, changes, events as they come.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/feeds` | what there is, and how far it is |
//! | `GET /v1/feeds/{name}` | the rows, page by page; each page ends with a token |
//! | `GET /v1/feeds/{name}?since=TOKEN` | what changed since: the latest row of each key, deletes |
//! | the same with `Accept: text/event-stream` | the same, and then every change as it comes |
//!
//! A snapshot is what changed since the beginning, so a reader does one thing only: ask with the
//! token of the page before. Applied in order, pages end with the rows of the feed.

mod api;
mod page;
mod sse;
mod token;

pub use api::FeedApi;
pub use token::{Token, TokenError};
