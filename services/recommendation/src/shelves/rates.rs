//! The feed `take_rate`: plays per impression, of the latest window of each length.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{Country, TitleId};
use crate::time;

/// Lengths of windows that are kept, in hours.
const HOURS: [u32; 3] = [1, 24, 168];

/// Plays per impression in a window.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Rate {
    /// Length of the window.
    pub hours: u32,
    /// When it began, milliseconds since the Unix epoch.
    pub window_start_ms: i64,
    /// Impressions.
    pub impressions: i64,
    /// Plays.
    pub plays: i64,
    /// Plays per impression.
    pub take_rate: f64,
    /// Lower bound of the 95 % interval (Wilson).
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// The latest rates of a title, by length of the window.
type Latest = [Option<Arc<Rate>>; HOURS.len()];

/// Plays per impression.
#[derive(Debug, Default)]
pub struct Rates {
    titles: Sharded<(TitleId, Country), Latest>,
}

impl Rates {
    /// The latest windows of a title in a country, shortest first.
    pub fn of(&self, title: TitleId, country: Country) -> Vec<Arc<Rate>> {
        self.titles.get(&(title, country)).into_iter().flatten().flatten().collect()
    }

    /// The lower bound of the longest window there is: least noisy, and careful with titles that
    /// were hardly shown.
    pub fn low(&self, title: TitleId, country: Country) -> Option<f64> {
        let longest = |latest: &Latest| latest.iter().rev().flatten().next().map(|rate| rate.low);
        self.titles.with(&(title, country), longest)?
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    title_id: TitleId,
    #[serde(default)]
    country: Country,
    hours: u32,
    window_start: String,
}

#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    impressions: i64,
    #[serde(default)]
    plays: i64,
    #[serde(default)]
    take_rate: f64,
    #[serde(default)]
    low: f64,
    #[serde(default)]
    high: f64,
}

pub(super) struct RateRows(Arc<Rates>);

impl RateRows {
    pub(super) fn new(shown: Arc<Rates>) -> Self {
        Self(shown)
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Option<Arc<Rate>>, i64)) {
        let (Some(at), Some(start)) =
            (HOURS.iter().position(|h| *h == key.hours), time::parse(&key.window_start))
        else {
            return;
        };
        let place = (key.title_id, key.country);
        let mut latest = self.0.titles.get(&place).unwrap_or_default();
        change(&mut latest[at], start);
        self.0.titles.put(place, latest);
    }
}

impl Rows for RateRows {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "take_rate";

    fn reset(&mut self) {
        self.0.titles.clear();
    }

    fn put(&mut self, key: Key, row: Row) {
        self.change(&key, |rate, start| {
            if rate.as_ref().is_some_and(|kept| kept.window_start_ms > start) {
                return;
            }
            *rate = Some(Arc::new(Rate {
                hours: key.hours,
                window_start_ms: start,
                impressions: row.impressions,
                plays: row.plays,
                take_rate: row.take_rate,
                low: row.low,
                high: row.high,
            }));
        });
    }

    fn remove(&mut self, key: Key) {
        self.change(&key, |rate, start| {
            if rate.as_ref().is_some_and(|kept| kept.window_start_ms == start) {
                *rate = None;
            }
        });
    }
}
