//! One opening of the player, from `start` to `stop`.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use millrace_events::ReplayEvent;

use super::event::{Deletion, Report};
use super::{Appliance, Play, PlaybackSettings};

/// Seconds between heartbeats.
const HEARTBEAT_S: i32 = 30;
const DEVICES: [&str; 4] = ["tv", "phone", "tablet", "web"];
const COUNTRIES: [&str; 6] = ["JP", "US", "BR", "DE", "IN", "FR"];

/// Length of a title: 20 to 140 minutes, always the same for the same title.
fn duration_s(title_id: i64) -> i32 {
    let spread = title_id.wrapping_mul(7_919).rem_euclid(7_201);
    1_200 + i32::try_from(spread).expect("below 7201")
}

/// A player that is being watched.
struct Player<'a> {
    play: &'a Play,
    session_id: &'a str,
    device: &'static str,
    country: &'static str,
    oca_id: Option<&'a str>,
    duration_s: i32,
    now_ms: i64,
    position_s: i32,
    /// Where it was at the last event; what is between was played.
    reported_s: i32,
    events: Vec<ReplayEvent>,
}

impl Player<'_> {
    /// Plays for so many seconds, or to the end of the title.
    fn watch(&mut self, seconds: i32) {
        let seconds = seconds.min(self.duration_s - self.position_s);
        self.position_s += seconds;
        self.now_ms += i64::from(seconds) * 1000;
    }

    fn report(&mut self, event_type: &'static str) {
        let (from, to) = (self.reported_s, self.position_s);
        self.send(event_type, (to > from).then_some((from, to)));
    }

    /// Goes somewhere else.
    fn seek(&mut self, target_s: i32) {
        let played = (self.reported_s, self.position_s);
        self.position_s = target_s;
        self.send("seek", (played.1 > played.0).then_some(played));
    }

    fn send(&mut self, event_type: &'static str, played: Option<(i32, i32)>) {
        let report = Report {
            event_id: format!("{}-{}", self.session_id, self.events.len()),
            event_time: self.now_ms,
            session_id: self.session_id,
            member_id: self.play.member_id,
            profile_id: self.play.profile_id,
            title_id: self.play.title_id,
            event_type,
            played_from_s: played.map(|(from, _)| from),
            played_to_s: played.map(|(_, to)| to),
            position_s: self.position_s,
            duration_s: self.duration_s,
            device: self.device,
            country: self.country,
            oca_id: self.oca_id,
            impression_id: self.play.impression_id.as_deref(),
        };
        self.events.push(report.event());
        self.reported_s = self.position_s;
    }
}

/// The appliance that serves a player in `country`: one there, else any.
fn served_by<'a>(appliances: &'a [Appliance], country: &str, rng: &mut StdRng) -> Option<&'a str> {
    let there: Vec<_> = appliances.iter().filter(|one| one.country == country).collect();
    let chosen = there.choose(rng).copied().or_else(|| appliances.choose(rng));
    chosen.map(|appliance| appliance.id.as_str())
}

/// What a player reports of one play.
pub(super) struct Session {
    /// The events, in order of time.
    pub(super) events: Vec<ReplayEvent>,
    /// Where the member left.
    pub(super) position_s: i32,
}

/// The session `session_id` of a member who begins, or goes on, at `resume_s`.
pub(super) fn session(
    settings: &PlaybackSettings,
    play: &Play,
    session_id: &str,
    resume_s: i32,
    rng: &mut StdRng,
) -> Session {
    let duration_s = duration_s(play.title_id);
    let begin_s = if resume_s < duration_s { resume_s } else { 0 };
    let country = usize::try_from(play.member_id.unsigned_abs()).unwrap_or_default();
    let country = COUNTRIES[country % COUNTRIES.len()];
    let oca_id = served_by(&settings.appliances, country, rng);
    let mut player = Player {
        play,
        session_id,
        device: DEVICES[rng.random_range(0..DEVICES.len())],
        country,
        oca_id,
        duration_s,
        now_ms: play.at_ms,
        position_s: begin_s,
        reported_s: begin_s,
        events: Vec::new(),
    };
    player.report("start");
    let most = settings.watched_s.clamp(1, 86_400) * 2;
    let mut left_s = i32::try_from(rng.random_range(1..=most)).expect("at most two days");
    while left_s > 0 && player.position_s < duration_s {
        let before_s = player.position_s;
        let (draw, part_s) = (rng.random::<f64>(), rng.random_range(1..HEARTBEAT_S));
        if draw < settings.pause {
            player.watch(part_s.min(left_s));
            left_s -= player.position_s - before_s;
            player.report("pause");
            let long = rng.random_bool(settings.long_pause);
            let seconds = if long { 1_860..=7_200 } else { 5..=600 };
            player.now_ms += rng.random_range(seconds) * 1000;
        } else if draw < settings.pause + settings.seek {
            player.watch(part_s.min(left_s));
            left_s -= player.position_s - before_s;
            player.seek(rng.random_range(0..duration_s));
        } else {
            player.watch(HEARTBEAT_S.min(left_s));
            left_s -= player.position_s - before_s;
            if player.position_s - before_s == HEARTBEAT_S {
                player.report("heartbeat");
            }
        }
    }
    if !rng.random_bool(settings.missing_stop) {
        player.report("stop");
    }
    let (ended_ms, position_s) = (player.now_ms, player.position_s);
    let mut events = player.events;
    if rng.random_bool(settings.deletion) {
        let event_time = rng.random_range(play.at_ms..=ended_ms + 4 * 3_600_000);
        let deletion = Deletion {
            event_id: format!("{session_id}-deleted"),
            event_time,
            member_id: play.member_id,
            profile_id: play.profile_id,
            title_id: play.title_id,
        };
        events.push(deletion.event());
    }
    Session { events, position_s }
}
