//! What a service keeps of a feed in memory.

use bytes::Bytes;

/// A row came, changed or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The record's key: the JSON object of the key columns.
    pub key: Bytes,
    /// The JSON object of the row; `None` when it was deleted.
    pub row: Option<Bytes>,
    /// The record's timestamp, milliseconds since the Unix epoch.
    pub time_ms: i64,
}

/// A typed index over one feed, fed by the follower's thread and read by requests.
///
/// Requests must not wait for `apply`: publish what they read whole, or in shards that are locked
/// for moments. A row that does not parse is the view's to skip and count.
pub trait View: Send {
    /// The feed.
    fn feed(&self) -> &str;
    /// Forgets everything: the rows of the store follow.
    fn reset(&mut self);
    /// Takes changes, in order; a key may come again with the same row.
    fn apply(&mut self, changes: &[Change]);
}
