//! Events of many sessions in the order in which they arrive.

use std::collections::{BTreeMap, HashMap};
use std::iter::Peekable;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use millrace_events::ReplayEvent;

use super::session::session;
use super::{Play, PlaybackSettings};

/// The events of the sessions that plays begin, in order of arrival.
///
/// A member who plays a title again goes on where the last session left it. A session draws from
/// the seed and its own number alone. Events are of the streams [`super::STREAM`] and
/// [`super::DELETIONS`].
#[derive(Debug)]
pub struct Playback<I: Iterator<Item = Play>> {
    settings: PlaybackSettings,
    plays: Peekable<I>,
    sessions: u64,
    /// Events under way, by arrival and number.
    coming: BTreeMap<(i64, u64), ReplayEvent>,
    sent: u64,
    /// Where members left titles.
    left_s: HashMap<(i64, i32, i64), i32>,
}

impl<I: Iterator<Item = Play>> Playback<I> {
    /// Sessions of `plays`, which come in order of time.
    pub fn new(settings: PlaybackSettings, plays: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            settings,
            plays: plays.into_iter().peekable(),
            sessions: 0,
            coming: BTreeMap::new(),
            sent: 0,
            left_s: HashMap::new(),
        }
    }

    /// Opens the player.
    fn begin(&mut self, play: &Play) {
        let number = self.sessions;
        self.sessions += 1;
        let seed = self.settings.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = StdRng::seed_from_u64(seed);
        let name = format!("s{:x}-{number}", self.settings.seed);
        let left = self.left_s.entry((play.member_id, play.profile_id, play.title_id));
        let left = left.or_default();
        let session = session(&self.settings, play, &name, *left, &mut rng);
        *left = session.position_s;
        for event in session.events {
            let twice = rng.random_bool(self.settings.duplicate).then(|| event.clone());
            for event in std::iter::once(event).chain(twice) {
                let late_ms = rng.random_range(0..=self.settings.disorder_ms);
                let arrival = event.event_time_ms + i64::from(late_ms);
                self.coming.insert((arrival, self.sent), event);
                self.sent += 1;
            }
        }
    }
}

impl<I: Iterator<Item = Play>> Iterator for Playback<I> {
    type Item = ReplayEvent;

    fn next(&mut self) -> Option<ReplayEvent> {
        loop {
            let first = self.coming.first_key_value().map(|((arrival, _), _)| *arrival);
            // What a later play begins arrives after it.
            let begins = |play: &Play| first.is_none_or(|arrival| play.at_ms <= arrival);
            match self.plays.next_if(begins) {
                Some(play) => self.begin(&play),
                None => return self.coming.pop_first().map(|(_, event)| event),
            }
        }
    }
}
