//! The feeds `popularity` and `top_titles`: what is watched in each country.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{Country, TitleId};
use crate::time;

/// Titles that a row of trending ones is picked from.
const TRENDING: usize = 200;

/// Scores shrink by the factor e in this time, whatever title they are of.
const FADES_MS: f64 = WEEK_DAYS * DAY_MS;
const WEEK_DAYS: f64 = 7.0;
const DAY_MS: f64 = 86_400_000.0;

/// How popular a title is in a country.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Popularity {
    /// Plays.
    pub plays: f64,
    /// Plays, older ones counting less, at the time `as_of_ms`.
    pub score: f64,
    /// How much more it is played than before.
    pub trend: f64,
    /// When it was played last, milliseconds since the Unix epoch.
    pub as_of_ms: i64,
}

impl Popularity {
    /// What the score is at a later time.
    fn score_at(&self, ms: i64) -> f64 {
        self.score.max(0.0) * (-self.age_ms(ms) / FADES_MS).exp()
    }

    /// What the trend is at a later time: that of a title that nobody plays any more goes down. The
    /// job's definition (`jobs/take-rate/README.md`), solved for the plays of late.
    fn trend_at(&self, ms: i64) -> f64 {
        let a_day = (self.trend + 1.0) * (self.score.max(0.0) / WEEK_DAYS + 1.0) - 1.0;
        let later = a_day.max(0.0) * (-self.age_ms(ms) / DAY_MS).exp();
        (later + 1.0) / (self.score_at(ms) / WEEK_DAYS + 1.0) - 1.0
    }

    fn age_ms(&self, ms: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let age = ms.saturating_sub(self.as_of_ms).max(0) as f64;
        age
    }
}

/// The time of the latest play in a country, and the greatest score then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    as_of_ms: i64,
    /// `ln(1 + greatest score)`.
    greatest: f64,
}

impl Scale {
    /// How popular a title is beside the most popular one, both at the time of the latest play:
    /// `ln(1 + score) / ln(1 + greatest score)`.
    pub(crate) fn relative(&self, title: Popularity) -> f64 {
        title.score_at(self.as_of_ms).ln_1p() / self.greatest
    }
}

/// What is watched where.
#[derive(Debug, Default)]
pub struct Popularities {
    titles: Sharded<(Country, TitleId), Popularity>,
    trending: Sharded<Country, Arc<Vec<TitleId>>>,
    scales: Sharded<Country, Scale>,
    top: Sharded<Country, Arc<Vec<(u32, TitleId)>>>,
}

impl Popularities {
    /// How popular a title is in a country.
    pub fn of(&self, country: Country, title: TitleId) -> Option<Popularity> {
        self.titles.get(&(country, title))
    }

    /// What scores of a country are measured by; `None` if nothing is known of it.
    pub(crate) fn scale(&self, country: Country) -> Option<Scale> {
        self.scales.get(&country).filter(|scale| scale.greatest > 0.0)
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

#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    plays: f64,
    #[serde(default)]
    score: f64,
    #[serde(default)]
    trend: f64,
    as_of: Option<String>,
}

pub(super) struct PopularityRows {
    shown: Arc<Popularities>,
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
            self.shown.scales.remove(&country);
            return;
        };
        let as_of_ms = titles.values().map(|p| p.as_of_ms).max().unwrap_or(0);
        let mut greatest = 0.0;
        // What rises from next to nothing rises most: the score counts too.
        let weigh = |(title, p): (&TitleId, &Popularity)| {
            let score = p.score_at(as_of_ms);
            greatest = f64::max(greatest, score);
            (score.ln_1p() * (1.0 + p.trend_at(as_of_ms).max(0.0)), *title)
        };
        let mut order: Vec<_> = titles.iter().map(weigh).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.truncate(TRENDING);
        self.shown.scales.put(country, Scale { as_of_ms, greatest: greatest.ln_1p() });
        let order = order.into_iter().map(|(_, title)| title).collect();
        self.shown.trending.put(country, Arc::new(order));
    }
}

impl Rows for PopularityRows {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "popularity";

    fn reset(&mut self) {
        self.changed.extend(self.countries.keys());
        self.countries.clear();
        self.shown.titles.clear();
        self.publish();
    }

    fn put(&mut self, key: Key, row: Row) {
        let as_of_ms = row.as_of.as_deref().and_then(time::parse).unwrap_or(0);
        let row = Popularity { plays: row.plays, score: row.score, trend: row.trend, as_of_ms };
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

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    /// A play weighs e⁻¹ in the day's count after a day, and in the week's after a week.
    #[test]
    fn what_was_played_once_stops_trending() {
        let one = Popularity { plays: 1.0, score: 1.0, trend: 0.75, as_of_ms: 0 };
        assert!((one.trend_at(-DAY) - 0.75).abs() < 1e-12, "no time before its own");
        assert!((one.trend_at(0) - 0.75).abs() < 1e-12);
        let after_a_week = ((-7.0_f64).exp() + 1.0) / ((-1.0_f64).exp() / 7.0 + 1.0) - 1.0;
        assert!((one.trend_at(7 * DAY) - after_a_week).abs() < 1e-12);
    }

    #[test]
    fn a_burst_of_last_month_gives_way_to_what_is_played_today() {
        let shown = Arc::new(Popularities::default());
        let mut rows = PopularityRows::new(Arc::clone(&shown));
        let country = Country::WORLD;
        for (title, score, trend, as_of) in
            [(1, 50.0, 6.0, "2026-01-01T00:00:00Z"), (2, 20.0, 0.1, "2026-01-31T00:00:00Z")]
        {
            let row = Row { plays: score, score, trend, as_of: Some(as_of.to_owned()) };
            rows.put(Key { country, title_id: TitleId(title) }, row);
        }
        rows.publish();
        assert_eq!(*shown.trending(country), [2, 1].map(TitleId));
    }
}
