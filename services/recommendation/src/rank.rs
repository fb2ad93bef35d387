//! What makes one title better than another for a member.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ids::{Country, IdMap, TitleId};
use crate::shelves::{Scale, Shelves, Watched};

/// How much each reason counts; each is between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Popularity beside the most popular title of the country.
    pub popularity: f64,
    /// Plays per impression: the lower bound of the Wilson interval `low`, as `low / (low + 0.05)`.
    pub take_rate: f64,
    /// Similarity `s` to what the member watched, recent titles counting more, as `s / (1 + s)`.
    pub similarity: f64,
    /// Place in the list that a row is picked from (most rising, most similar first): 1 for the
    /// first, falling evenly.
    pub place: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { popularity: 0.1, take_rate: 0.2, similarity: 1.0, place: 0.6 }
    }
}

/// The rate at which the part of `take_rate` is a half.
const HALF_RATE: f64 = 0.05;
/// Recent titles whose neighbours are looked at.
const RECENT: usize = 10;
/// How much less the next older title counts.
const FADE: f64 = 0.8;
/// Titles that are scored, for each that is picked.
const POOL: usize = 3;

/// Scores titles for one request.
pub(crate) struct Ranking<'a> {
    shelves: &'a Shelves,
    weights: Weights,
    country: Country,
    scale: Option<Scale>,
    similar: IdMap<TitleId, f64>,
}

impl<'a> Ranking<'a> {
    /// For a country, and for what a member watched, most recent first.
    pub(crate) fn new<'w>(
        shelves: &'a Shelves,
        weights: Weights,
        country: Country,
        watched: impl Iterator<Item = &'w Watched>,
    ) -> Self {
        let mut similar: IdMap<TitleId, f64> = IdMap::default();
        let mut part = 1.0;
        for title in watched.take(RECENT) {
            // What was given up early says little about taste.
            let liked = part * (0.2 + 0.8 * title.completion.clamp(0.0, 1.0));
            for (other, score) in shelves.similar.to(title.title_id).iter() {
                *similar.entry(*other).or_default() += liked * score;
            }
            part *= FADE;
        }
        let scale = shelves.popularities.scale(country);
        Self { shelves, weights, country, scale, similar }
    }

    /// The score of a title, 0 to the sum of the weights.
    pub(crate) fn score(&self, title: TitleId) -> f64 {
        self.score_of(title, self.similar.get(&title).copied().unwrap_or(0.0))
    }

    /// The same for a title that is so similar to what was watched.
    fn score_of(&self, title: TitleId, similar: f64) -> f64 {
        let popularity = self.shelves.popularities.of(self.country, title);
        let popular = self.scale.zip(popularity).map_or(0.0, |(scale, p)| scale.relative(p));
        let low = self.shelves.rates.low(title, self.country).unwrap_or(0.0).max(0.0);
        let taken = low / (low + HALF_RATE);
        self.weights.popularity * popular
            + self.weights.take_rate * taken
            + self.weights.similarity * similar / (1.0 + similar)
    }

    /// The best of all titles that are similar to what was watched, best first; at most `count` of
    /// those that are free and may be shown. Only the most similar are looked at closely: what else
    /// counts decides among them.
    pub(crate) fn picks(
        &self,
        count: usize,
        free: impl Fn(TitleId) -> bool,
        shown: impl Fn(TitleId) -> bool,
    ) -> Vec<(TitleId, f64)> {
        let near = self.similar.iter().filter(|(title, near)| **near > 0.0 && free(**title));
        // Numbers above zero are in the order of their bits.
        let near = near.map(|(title, near)| (near.to_bits(), Reverse(*title)));
        let mut near: BinaryHeap<_> = near.collect::<Vec<_>>().into();
        let nearest = std::iter::from_fn(|| near.pop());
        let nearest = nearest.map(|(near, Reverse(title))| (title, f64::from_bits(near)));
        let nearest = nearest.filter(|(title, _)| shown(*title)).take(count * POOL);
        let mut best: Vec<_> =
            nearest.map(|(title, near)| (title, self.score_of(title, near))).collect();
        best.sort_unstable_by(better);
        best.truncate(count);
        best
    }

    /// The best of a list, best first; equals by their ids, so that the order is always the same.
    pub(crate) fn best(&self, list: impl Iterator<Item = TitleId>) -> Vec<(TitleId, f64)> {
        let mut scored: Vec<_> = list.map(|title| (title, self.score(title))).collect();
        #[expect(clippy::cast_precision_loss, reason = "places of a short list")]
        let step = self.weights.place / scored.len().max(1) as f64;
        let mut place = self.weights.place;
        for (_, score) in &mut scored {
            *score += place;
            place -= step;
        }
        scored.sort_unstable_by(better);
        scored
    }
}

/// The better first; equals by their ids.
fn better(a: &(TitleId, f64), b: &(TitleId, f64)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}
