//! The feed `similar_titles`: titles that the same members watch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::TitleId;

/// Titles beside each title.
#[derive(Debug, Default)]
pub struct Similar {
    titles: Sharded<TitleId, Arc<Vec<(TitleId, f64)>>>,
}

impl Similar {
    /// The titles most similar to `title`, with how similar they are, most similar first.
    pub fn to(&self, title: TitleId) -> Arc<Vec<(TitleId, f64)>> {
        self.titles.get(&title).unwrap_or_default()
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    title_id: TitleId,
    rank: u32,
}

#[derive(Deserialize)]
pub(super) struct Row {
    other_id: TitleId,
    #[serde(default)]
    score: f64,
}

pub(super) struct SimilarRows {
    shown: Arc<Similar>,
    titles: HashMap<TitleId, BTreeMap<u32, (TitleId, f64)>>,
    changed: BTreeSet<TitleId>,
}

impl SimilarRows {
    pub(super) fn new(shown: Arc<Similar>) -> Self {
        Self { shown, titles: HashMap::new(), changed: BTreeSet::new() }
    }
}

impl Rows for SimilarRows {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "similar_titles";

    fn reset(&mut self) {
        self.titles.clear();
        self.shown.titles.clear();
    }

    fn put(&mut self, key: Key, row: Row) {
        let ranks = self.titles.entry(key.title_id).or_default();
        ranks.insert(key.rank, (row.other_id, row.score));
        self.changed.insert(key.title_id);
    }

    fn remove(&mut self, key: Key) {
        if let Some(ranks) = self.titles.get_mut(&key.title_id) {
            ranks.remove(&key.rank);
        }
        self.changed.insert(key.title_id);
    }

    fn publish(&mut self) {
        for title in std::mem::take(&mut self.changed) {
            let ranks = self.titles.get(&title).into_iter().flatten();
            self.shown.titles.put(title, Arc::new(ranks.map(|(_, other)| *other).collect()));
        }
    }
}
