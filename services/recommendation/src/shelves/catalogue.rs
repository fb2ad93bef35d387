//! The feed `titles`: key `title_id`; `name`, `duration_s`, `released`, `artworks`, `countries`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::Deserialize;

use super::posters::Artist;
use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{Country, TitleId};
use crate::time;

/// Titles that a row of new ones is picked from.
const NEWEST: usize = 500;

/// What is known of a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title {
    /// Its name.
    pub name: Option<String>,
    /// Its length.
    pub duration_s: Option<i64>,
    /// When it was released, milliseconds since the Unix epoch.
    pub released_ms: Option<i64>,
    /// Countries where it is shown; none means everywhere.
    pub countries: Vec<Country>,
}

impl Title {
    /// Whether it is shown there.
    pub fn is_in(&self, country: Country) -> bool {
        self.countries.is_empty() || country == Country::WORLD || self.countries.contains(&country)
    }
}

/// The titles there are.
#[derive(Debug, Default)]
pub struct Catalogue {
    titles: Sharded<TitleId, Arc<Title>>,
    newest: ArcSwap<Vec<TitleId>>,
}

impl Catalogue {
    /// What is known of `title`.
    pub fn get(&self, title: TitleId) -> Option<Arc<Title>> {
        self.titles.get(&title)
    }

    /// Whether `title` may be shown in `country`: a title that is not known may, so that a missing
    /// catalogue hides nothing.
    pub fn shows(&self, title: TitleId, country: Country) -> bool {
        self.titles.with(&title, |known| known.is_in(country)).unwrap_or(true)
    }

    /// The name of `title`, if it has one.
    pub(crate) fn name(&self, title: TitleId) -> Option<String> {
        self.titles.with(&title, |known| known.name.clone())?
    }

    /// The titles released last, newest first.
    pub fn newest(&self) -> Arc<Vec<TitleId>> {
        self.newest.load_full()
    }

    /// How many titles there are.
    pub fn len(&self) -> usize {
        self.titles.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    title_id: TitleId,
}

#[derive(Deserialize)]
pub(super) struct Row {
    name: Option<String>,
    duration_s: Option<f64>,
    released: Option<String>,
    #[serde(default)]
    artworks: Vec<i64>,
    #[serde(default)]
    countries: Vec<Country>,
}

pub(super) struct Titles {
    shown: Arc<Catalogue>,
    released: HashMap<TitleId, i64>,
    changed: bool,
    artist: Arc<Mutex<Artist>>,
}

impl Titles {
    pub(super) fn new(shown: Arc<Catalogue>, artist: Arc<Mutex<Artist>>) -> Self {
        Self { shown, released: HashMap::new(), changed: false, artist }
    }

    fn artist(&self, tell: impl FnOnce(&mut Artist)) {
        tell(&mut self.artist.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Rows for Titles {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "titles";

    fn reset(&mut self) {
        self.shown.titles.clear();
        self.released.clear();
        self.changed = true;
        self.artist(Artist::forget_images);
    }

    fn put(&mut self, key: Key, row: Row) {
        let released_ms = row.released.as_deref().and_then(time::parse);
        match released_ms {
            Some(ms) => self.changed |= self.released.insert(key.title_id, ms) != Some(ms),
            None => self.changed |= self.released.remove(&key.title_id).is_some(),
        }
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a title")]
        let title = Title {
            name: row.name,
            duration_s: row.duration_s.map(|s| s as i64),
            released_ms,
            countries: row.countries,
        };
        self.shown.titles.put(key.title_id, Arc::new(title));
        self.artist(|artist| artist.images(key.title_id, row.artworks));
    }

    fn remove(&mut self, key: Key) {
        self.shown.titles.remove(&key.title_id);
        self.changed |= self.released.remove(&key.title_id).is_some();
        self.artist(|artist| artist.images(key.title_id, Vec::new()));
    }

    fn publish(&mut self) {
        self.artist(Artist::publish);
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let mut newest: Vec<_> = self.released.iter().map(|(title, ms)| (-ms, *title)).collect();
        newest.sort_unstable();
        newest.truncate(NEWEST);
        self.shown.newest.store(Arc::new(newest.into_iter().map(|(_, title)| title).collect()));
    }
}
