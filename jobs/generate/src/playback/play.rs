//! What is played: by generated members, or after the clicks of a recording.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp, Zipf};
use serde::Deserialize;

use millrace_events::ReplayEvent;

/// A member begins to watch a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who.
    pub member_id: i64,
    /// Which of the member's profiles.
    pub profile_id: i32,
    /// What.
    pub title_id: i64,
    /// The impression that led here, if one did.
    pub impression_id: Option<String>,
}

/// Plays of generated members without end, in order of time: at random intervals, by members who
/// are equally active, of titles by Zipf's law.
#[derive(Debug, Clone)]
pub struct Plays {
    rng: StdRng,
    at_ms: f64,
    interval: Exp<f64>,
    titles: Zipf<f64>,
    members: i64,
    profiles: i32,
}

impl Plays {
    /// Plays by `members` (1, 2, …) with up to `profiles` each, of `titles` (1, 2, …: the first is
    /// the most popular), from `from_ms` on, `per_hour` of them in the mean.
    ///
    /// # Panics
    /// If there is nobody, nothing to play, or no rate.
    pub fn new(
        seed: u64,
        from_ms: i64,
        per_hour: f64,
        members: u32,
        profiles: u32,
        titles: u32,
    ) -> Self {
        assert!(members > 0 && profiles > 0 && titles > 0, "somebody must watch something");
        assert!(per_hour > 0.0 && per_hour.is_finite(), "the rate must be above zero");
        #[expect(clippy::cast_precision_loss, reason = "times stay below 2^53 ms")]
        let at_ms = from_ms as f64;
        Self {
            rng: StdRng::seed_from_u64(seed),
            at_ms,
            interval: Exp::new(per_hour / 3_600_000.0).expect("the rate is above zero"),
            titles: Zipf::new(f64::from(titles), 1.0).expect("there are titles"),
            members: i64::from(members),
            profiles: i32::try_from(profiles).unwrap_or(i32::MAX),
        }
    }
}

impl Iterator for Plays {
    type Item = Play;

    fn next(&mut self) -> Option<Play> {
        self.at_ms += self.interval.sample(&mut self.rng);
        #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, small numbers")]
        let (at_ms, title_id) = (self.at_ms as i64, self.titles.sample(&mut self.rng) as i64);
        let member_id = self.rng.random_range(1..=self.members);
        let profile_id = self.rng.random_range(1..=self.profiles);
        Some(Play { at_ms, member_id, profile_id, title_id, impression_id: None })
    }
}

/// A click of a recording, as far as a play needs it.
#[derive(Deserialize)]
struct Click {
    #[serde(rename = "impression_id")]
    impression: String,
    #[serde(rename = "member_id")]
    member: Option<i64>,
    #[serde(rename = "item_id")]
    item: Option<i64>,
}

/// The play that follows an event of a recording: of the title that was clicked, two seconds later,
/// by the member's first profile. `None` if the event is no click of a known member.
pub fn clicked(event: &ReplayEvent) -> Option<Play> {
    if event.stream != "clicks" {
        return None;
    }
    let click: Click = serde_json::from_slice(&event.json).ok()?;
    Some(Play {
        at_ms: event.event_time_ms + 2000,
        member_id: click.member?,
        profile_id: 1,
        title_id: click.item?,
        impression_id: Some(click.impression),
    })
}
