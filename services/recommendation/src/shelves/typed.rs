//! A view of typed rows.

use metrics::counter;
use serde::de::DeserializeOwned;

use millrace_feeds::{Change, View};

/// Takes the rows of one feed.
pub(super) trait Rows: Send {
    /// The key columns.
    type Key: DeserializeOwned;
    /// The other columns that are read.
    type Row: DeserializeOwned;
    /// The feed.
    const FEED: &'static str;

    fn reset(&mut self);
    fn put(&mut self, key: Self::Key, row: Self::Row);
    fn remove(&mut self, key: Self::Key);
    /// Shows requests what changed, once for many changes.
    fn publish(&mut self) {}
}

/// Parses keys and rows; counts what does not parse.
pub(super) struct Typed<R>(R);

impl<R: Rows + 'static> Typed<R> {
    pub(super) fn boxed(rows: R) -> Box<dyn View> {
        Box::new(Self(rows))
    }

    fn take(&mut self, change: &Change) -> Result<(), serde_json::Error> {
        let key = serde_json::from_slice(&change.key)?;
        match &change.row {
            Some(row) => self.0.put(key, serde_json::from_slice(row)?),
            None => self.0.remove(key),
        }
        Ok(())
    }
}

impl<R: Rows + 'static> View for Typed<R> {
    fn feed(&self) -> &str {
        R::FEED
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Err(error) = self.take(change) {
                counter!("millrace_recommendation_unread_rows_total", "feed" => R::FEED)
                    .increment(1);
                let key = String::from_utf8_lossy(&change.key);
                tracing::debug!(feed = R::FEED, %key, %error, "a row of a feed was passed over");
            }
        }
        self.0.publish();
    }
}
