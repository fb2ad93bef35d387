//! Puts pages together from the shelves.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::ids::{Country, IdSet, TitleId};
use crate::page::{Ask, Page, Row, RowName, Rung, Shown};
use crate::rank::{Ranking, Weights};
use crate::shelves::{Shelves, Watched};

/// Reached so far, a title is watched to its end.
const ENDED: f64 = 0.95;
/// Places of the row of top titles.
const TOP: usize = 10;
/// Titles that a ranked row is picked from, for each place it has.
const POOL: usize = 4;

/// Makes pages. Clones share the shelves.
#[derive(Debug, Clone)]
pub struct Composer {
    /// What is known.
    pub shelves: Shelves,
    /// What counts.
    pub weights: Weights,
    /// What to show if nothing is known.
    pub fallback: Arc<ArcSwap<Vec<TitleId>>>,
}

/// A page being made: what is on it already, and what must not be.
struct Draft<'a> {
    composer: &'a Composer,
    country: Country,
    per_row: usize,
    taken: IdSet<TitleId>,
    rows: Vec<(u8, Row)>,
}

impl Composer {
    /// The page of a member with a history; `None` if nothing is known of the member.
    pub fn personal(&self, ask: &Ask, hidden: &dyn Fn(&Watched) -> bool) -> Option<Page> {
        let history = self.shelves.histories.of(ask.member)?;
        let of_profile = |w: &&Watched| ask.profile.is_none_or(|p| w.profile_id == p);
        let watched: Vec<&Watched> =
            history.iter().filter(of_profile).filter(|w| !hidden(w)).collect();
        if watched.is_empty() {
            return None;
        }
        let country = self.country_of(ask).unwrap_or(Country::WORLD);
        let ranking = Ranking::new(&self.shelves, self.weights, country, watched.iter().copied());
        let mut draft = self.draft(country, ask.per_row);
        draft.continue_watching(&watched);
        draft.taken.extend(watched.iter().filter(|w| w.completion >= ENDED).map(|w| w.title_id));
        // In the order of who may take a title first; shown in the order of the page.
        draft.top(4);
        draft.picks(1, &watched, &ranking);
        draft.because(3, &watched, &ranking);
        draft.trending(2, &ranking);
        draft.new_titles(5, ask.now_ms);
        Some(draft.page(Rung::Personal))
    }

    /// What is watched in the member's country; `None` if nothing is known of it.
    pub fn country(&self, ask: &Ask) -> Option<Page> {
        let country = self.country_of(ask)?;
        if !self.shelves.popularities.knows(country) {
            return None;
        }
        let ranking = Ranking::new(&self.shelves, self.weights, country, std::iter::empty());
        let mut draft = self.draft(country, ask.per_row);
        draft.top(1);
        draft.trending(0, &ranking);
        draft.new_titles(2, ask.now_ms);
        Some(draft.page(Rung::Country))
    }

    /// What needs no feed at all.
    pub fn fixed(&self, ask: &Ask) -> Page {
        let country = self.country_of(ask).unwrap_or(Country::WORLD);
        let mut draft = self.draft(country, ask.per_row);
        let world = self.shelves.popularities.top(Country::WORLD);
        let trending = self.shelves.popularities.trending(Country::WORLD);
        let titles = world.iter().map(|(_, title)| *title);
        let kept = self.fallback.load();
        let titles = titles.chain(trending.iter().copied()).chain(kept.iter().copied());
        let plain = |title| Shown { title, score: None, rank: None, resume: None };
        draft.add(0, RowName::Popular, None, titles.map(plain), ask.per_row);
        draft.new_titles(1, ask.now_ms);
        draft.page(Rung::Static)
    }

    /// Titles to show when nothing is known any more: the most popular of each country in turn.
    pub fn for_bad_times(&self, count: usize) -> Vec<TitleId> {
        let tops = self.shelves.popularities.all_tops();
        let deepest = tops.iter().map(|top| top.len()).max().unwrap_or(0);
        let in_turn = (0..deepest).flat_map(|at| tops.iter().filter_map(move |top| top.get(at)));
        let mut seen = HashSet::new();
        let titles = in_turn.map(|(_, title)| *title).filter(|title| seen.insert(*title));
        titles.take(count).collect()
    }

    fn country_of(&self, ask: &Ask) -> Option<Country> {
        let known = self.shelves.members.country(ask.member).filter(|c| *c != Country::WORLD);
        known.or(ask.country)
    }

    fn draft(&self, country: Country, per_row: usize) -> Draft<'_> {
        Draft { composer: self, country, per_row, taken: IdSet::default(), rows: Vec::new() }
    }
}

impl Draft<'_> {
    /// Adds a row of those titles that may be shown and are not on the page, at `place`.
    fn add(
        &mut self,
        place: u8,
        name: RowName,
        because: Option<TitleId>,
        titles: impl Iterator<Item = Shown>,
        count: usize,
    ) {
        let catalogue = &self.composer.shelves.catalogue;
        let mut row = Row { name, because, titles: Vec::with_capacity(count) };
        for shown in titles {
            if row.titles.len() == count {
                break;
            }
            if catalogue.shows(shown.title, self.country) && self.taken.insert(shown.title) {
                row.titles.push(shown);
            }
        }
        if !row.titles.is_empty() {
            self.rows.push((place, row));
        }
    }

    fn continue_watching(&mut self, watched: &[&Watched]) {
        let open = watched.iter().filter(|w| w.completion < ENDED && w.position_s > 0.0);
        let titles = open.map(|w| Shown {
            title: w.title_id,
            score: None,
            rank: None,
            resume: Some((w.position_s, w.completion)),
        });
        self.add(0, RowName::ContinueWatching, None, titles, self.per_row);
    }

    fn top(&mut self, place: u8) {
        let top = self.composer.shelves.popularities.top(self.country);
        let titles = top.iter().take(TOP).map(|(rank, title)| Shown {
            title: *title,
            score: None,
            rank: Some(*rank),
            resume: None,
        });
        self.add(place, RowName::Top10, None, titles, TOP);
    }

    /// What was watched is not picked, ended or not: that is what the row above is for.
    fn picks(&mut self, place: u8, watched: &[&Watched], ranking: &Ranking<'_>) {
        let watched: IdSet<TitleId> = watched.iter().map(|w| w.title_id).collect();
        let catalogue = &self.composer.shelves.catalogue;
        let free = |title| !watched.contains(&title) && !self.taken.contains(&title);
        let shown = |title| catalogue.shows(title, self.country);
        let best = ranking.picks(self.per_row, free, shown);
        self.add(place, RowName::TopPicks, None, ranked(best), self.per_row);
    }

    fn trending(&mut self, place: u8, ranking: &Ranking<'_>) {
        let trending = self.composer.shelves.popularities.trending(self.country);
        let free = trending.iter().copied().filter(|title| !self.taken.contains(title));
        let best = ranking.best(free.take(self.per_row * POOL));
        self.add(place, RowName::Trending, None, ranked(best), self.per_row);
    }

    /// Because of the latest title that others are similar to; one that was given up is no reason.
    fn because(&mut self, place: u8, watched: &[&Watched], ranking: &Ranking<'_>) {
        let reasons = watched.iter().filter(|w| w.completion >= 0.5);
        for reason in reasons.take(POOL) {
            let similar = self.composer.shelves.similar.to(reason.title_id);
            let free = similar.iter().map(|(t, _)| *t).filter(|t| !self.taken.contains(t));
            let best = ranking.best(free.take(self.per_row * POOL));
            let rows = self.rows.len();
            let because = Some(reason.title_id);
            self.add(place, RowName::BecauseYouWatched, because, ranked(best), self.per_row);
            if self.rows.len() > rows {
                return;
            }
        }
    }

    fn new_titles(&mut self, place: u8, now_ms: i64) {
        let newest = self.composer.shelves.catalogue.newest();
        let catalogue = &self.composer.shelves.catalogue;
        let out = |title: &TitleId| {
            let released = catalogue.get(*title).and_then(|title| title.released_ms);
            released.is_none_or(|released| released <= now_ms)
        };
        let released = newest.iter().copied().filter(out);
        let titles = released.map(|title| Shown { title, score: None, rank: None, resume: None });
        self.add(place, RowName::New, None, titles, self.per_row);
    }

    fn page(mut self, rung: Rung) -> Page {
        self.rows.sort_by_key(|(place, _)| *place);
        let rows = self.rows.into_iter().map(|(_, row)| row).collect();
        Page { rung, country: self.country, rows }
    }
}

fn ranked(best: Vec<(TitleId, f64)>) -> impl Iterator<Item = Shown> {
    best.into_iter().map(|(title, score)| Shown {
        title,
        score: Some(score),
        rank: None,
        resume: None,
    })
}
