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
    /// The titles most similar to `title`, most similar first, with how similar they are beside
    /// each other: a list's scores, divided by their Euclidean length, so that every list says as
    /// much (Deshpande and Karypis, *Item-Based Top-N Recommendation Algorithms*, ACM TOIS 22(1),
    /// 2004, section 4.1.2).
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
            let ranks = self.titles.get(&title).filter(|ranks| !ranks.is_empty());
            if let Some(ranks) = ranks {
                self.shown.titles.put(title, Arc::new(even(ranks.values())));
            } else {
                self.titles.remove(&title);
                self.shown.titles.remove(&title);
            }
        }
    }
}

/// A list with scores of length one.
fn even<'a>(list: impl Iterator<Item = &'a (TitleId, f64)> + Clone) -> Vec<(TitleId, f64)> {
    let good = |score: f64| if score.is_finite() { score.max(0.0) } else { 0.0 };
    let length = list.clone().map(|(_, score)| good(*score).powi(2)).sum::<f64>().sqrt();
    let even = |score: f64| if length > 0.0 { good(score) / length } else { 0.0 };
    list.map(|(title, score)| (*title, even(*score))).collect()
}
