//! The feeds that jobs wrote, read as a service reads them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;

use millrace_bus::KafkaSettings;
use millrace_events::SystemClock;
use millrace_feeds::{FeedStore, Follower, FollowerSettings};

use super::services;

/// A service's copy of some feeds.
pub(super) struct Feeds {
    store: FeedStore,
    follower: Follower,
}

impl Feeds {
    /// Follows the feeds `names` into a store below `data`.
    pub(super) async fn follow(
        kafka: &KafkaSettings,
        data: &Path,
        names: &[&str],
    ) -> anyhow::Result<Self> {
        let folder = data.join("demo").join("feeds");
        let opened = tokio::task::spawn_blocking(move || FeedStore::open(&folder)).await??;
        let feeds = names.iter().map(|name| (*name).to_owned()).collect();
        let settings = FollowerSettings { feeds, ..FollowerSettings::new(kafka.clone()) };
        let clock = Arc::new(SystemClock::default());
        let follower = Follower::start(settings, opened.store.clone(), Vec::new(), clock)?;
        Ok(Self { store: opened.store, follower })
    }

    /// Returns once everything that was in the feeds is here.
    pub(super) async fn caught_up(&self) -> anyhow::Result<()> {
        services::caught_up(&self.follower.statuses()).await
    }

    /// The rows of a feed.
    pub(super) fn rows(&self, feed: &str) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        for found in self.store.scan(feed) {
            let (_, row) = found?;
            rows.push(serde_json::from_slice(&row).with_context(|| format!("a row of {feed}"))?);
        }
        Ok(rows)
    }

    /// Ends following.
    pub(super) async fn stop(self) {
        self.follower.stop().await;
    }
}
