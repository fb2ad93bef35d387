//! The feeds `popularity` and `top_titles`: what is watched in each country.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{Country, TitleId};

/// Titles that a row of trending ones is picked from.
const TRENDING: usize = 200;

/// How popular a title is in a country.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Popularity {
    /// Plays.
    #[serde(default)]
    pub plays: f64,
    /// Plays, older ones counting less.
    #[serde(default)]
    pub score: f64,
    /// How much more it is played than before.
    #[serde(default)]
    pub trend: f64,
}

/// What is watched where.
#[derive(Debug, Default)]
pub struct Popularities {
    titles: Sharded<(Country, TitleId), Popularity>,
    trending: Sharded<Country, Arc<Vec<TitleId>>>,
    greatest: Sharded<Country, f64>,
    top: Sharded<Country, Arc<Vec<(u32, TitleId)>>>,
}

impl Popularities {
    /// How popular a title is in a country.
    pub fn of(&self, country: Country, title: TitleId) -> Option<Popularity> {
        self.titles.get(&(country, title))
    }

    /// The greatest score in a country; 0 if nothing is known of it.
    pub fn greatest(&self, country: Country) -> f64 {
        self.greatest.get(&country).unwrap_or(0.0)
    }

    /// The titles that rise most in a country.
    pub fn trending(&self, country: Country) -> Arc<Vec<TitleId>> {
        self.trending.get(&country).unwrap_or_default()
    }

    /// The top titles of a country with their ranks, in their order.
    pub fn top(&self, country: Country) -> Arc<Vec<(u32, TitleId)>> {
        self.top.get(&country).unwrap_or_default()
    }

    /// The top titles of every country.
    pub(crate) fn all_tops(&self) -> Vec<Arc<Vec<(u32, TitleId)>>> {
        let mut countries = self.top.all();
        countries.sort_by_key(|(country, _)| *country);
        countries.into_iter().map(|(_, top)| top).collect()
    }

    /// Whether anything is known of a country.
    pub fn knows(&self, country: Country) -> bool {
        !self.trending(country).is_empty() || !self.top(country).is_empty()
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    #[serde(default)]
    country: Country,
    title_id: TitleId,
}

pub(super) struct PopularityRows {
    shown: Arc<Popularities>,
    /// The scores of all countries together under [`Country::WORLD`], unless the feed has them.
    countries: BTreeMap<Country, HashMap<TitleId, Popularity>>,
    changed: BTreeSet<Country>,
}

impl PopularityRows {
    pub(super) fn new(shown: Arc<Popularities>) -> Self {
        Self { shown, countries: BTreeMap::new(), changed: BTreeSet::new() }
    }

    fn show(&self, country: Country) {
        let Some(titles) = self.countries.get(&country).filter(|titles| !titles.is_empty()) else {
            self.shown.trending.remove(&country);
            self.shown.greatest.remove(&country);
            return;
        };
        let mut order: Vec<_> = titles.iter().map(|(title, p)| (*title, *p)).collect();
        // What rises from next to nothing rises most: the score counts too.
        let weight = |p: &Popularity| p.score.max(0.0).ln_1p() * (1.0 + p.trend.max(0.0));
        order.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)).then(a.0.cmp(&b.0)));
        order.truncate(TRENDING);
        let greatest = titles.values().map(|p| p.score).fold(0.0, f64::max);
        self.shown.greatest.put(country, greatest);
        let order = order.into_iter().map(|(title, _)| title).collect();
        self.shown.trending.put(country, Arc::new(order));
    }
}

impl Rows for PopularityRows {
    type Key = Key;
    type Row = Popularity;
    const FEED: &'static str = "popularity";

    fn reset(&mut self) {
        self.changed.extend(self.countries.keys());
        self.countries.clear();
        self.shown.titles.clear();
        self.publish();
    }

    fn put(&mut self, key: Key, row: Popularity) {
        self.countries.entry(key.country).or_default().insert(key.title_id, row);
        self.shown.titles.put((key.country, key.title_id), row);
        self.changed.insert(key.country);
    }

    fn remove(&mut self, key: Key) {
        if let Some(titles) = self.countries.get_mut(&key.country) {
            titles.remove(&key.title_id);
        }
        self.shown.titles.remove(&(key.country, key.title_id));
        self.changed.insert(key.country);
    }

    fn publish(&mut self) {
        for country in std::mem::take(&mut self.changed) {
            self.show(country);
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Place {
    #[serde(default)]
    country: Country,
    rank: u32,
}

#[derive(Deserialize)]
pub(super) struct Top {
    title_id: TitleId,
}

pub(super) struct TopRows {
    shown: Arc<Popularities>,
    countries: BTreeMap<Country, BTreeMap<u32, TitleId>>,
    changed: BTreeSet<Country>,
}

impl TopRows {
    pub(super) fn new(shown: Arc<Popularities>) -> Self {
        Self { shown, countries: BTreeMap::new(), changed: BTreeSet::new() }
    }
}

impl Rows for TopRows {
    type Key = Place;
    type Row = Top;
    const FEED: &'static str = "top_titles";

    fn reset(&mut self) {
        self.changed.extend(self.countries.keys());
        self.countries.clear();
        self.publish();
    }

    fn put(&mut self, key: Place, row: Top) {
        self.countries.entry(key.country).or_default().insert(key.rank, row.title_id);
        self.changed.insert(key.country);
    }

    fn remove(&mut self, key: Place) {
        if let Some(ranks) = self.countries.get_mut(&key.country) {
            ranks.remove(&key.rank);
        }
        self.changed.insert(key.country);
    }

    fn publish(&mut self) {
        for country in std::mem::take(&mut self.changed) {
            let ranks = self.countries.get(&country);
            let list: Vec<_> =
                ranks.into_iter().flatten().map(|(rank, title)| (*rank, *title)).collect();
            self.shown.top.put(country, Arc::new(list));
        }
    }
}
