//! Playback: the same seed gives the same events, and players report what they can have played.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use millrace_events::{OpenBandit, ReplayEvent};
use millrace_generate::playback::{
    Appliance, DELETIONS, Play, Playback, PlaybackSettings, Plays, STREAM, clicked,
};

const FROM_MS: i64 = 1_760_000_000_000;

fn lively(seed: u64) -> PlaybackSettings {
    let settings = PlaybackSettings { seed, watched_s: 600, pause: 0.05, ..Default::default() };
    let appliances = [("de-0", "DE"), ("de-1", "DE"), ("us-0", "US"), ("nz-0", "NZ")];
    let appliances = appliances
        .map(|(id, country)| Appliance { id: id.to_owned(), country: country.to_owned() });
    let settings = PlaybackSettings { appliances: appliances.into(), ..settings };
    PlaybackSettings { seek: 0.05, missing_stop: 0.3, deletion: 0.2, ..settings }
}

fn events(settings: PlaybackSettings) -> Vec<ReplayEvent> {
    let plays = Plays::new(settings.seed, FROM_MS, 120.0, 5, 2, 9).take(200);
    Playback::new(settings, plays).collect()
}

fn json(event: &ReplayEvent) -> Value {
    serde_json::from_slice(&event.json).unwrap()
}

fn distinct(events: &[ReplayEvent]) -> BTreeMap<String, Vec<u8>> {
    events.iter().map(|event| (event.id.clone(), event.json.clone())).collect()
}

#[test]
fn the_same_seed_gives_the_same_events() {
    assert_eq!(events(lively(7)), events(lively(7)));
    assert_ne!(events(lively(7)), events(lively(8)));
}

#[test]
fn events_come_in_order_and_once_unless_told_otherwise() {
    let events = events(lively(1));
    assert!(events.is_sorted_by_key(|event| event.event_time_ms));
    assert_eq!(distinct(&events).len(), events.len());
    let streams: BTreeSet<_> = events.iter().map(|event| event.stream).collect();
    assert_eq!(streams, BTreeSet::from([STREAM, DELETIONS]));
}

#[test]
fn disorder_stays_within_its_bound_and_changes_no_event() {
    let calm = events(lively(3));
    let disorder_ms = 20_000;
    let settings = PlaybackSettings { disorder_ms, duplicate: 0.1, ..lively(3) };
    let wild = events(settings);
    assert_eq!(distinct(&wild), distinct(&calm));
    assert!(wild.len() > calm.len() * 105 / 100 && wild.len() < calm.len() * 115 / 100);
    assert!(!wild.is_sorted_by_key(|event| event.event_time_ms));
    let mut newest = i64::MIN;
    for event in &wild {
        newest = newest.max(event.event_time_ms);
        assert!(newest - event.event_time_ms <= i64::from(disorder_ms), "{}", event.id);
    }
}

#[test]
fn players_report_what_they_can_have_played() {
    let mut sessions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let all = events(lively(5));
    for event in all.iter().filter(|event| event.stream == STREAM) {
        let event = json(event);
        let id = event["session_id"].as_str().unwrap().to_owned();
        sessions.entry(id).or_default().push(event);
    }
    assert_eq!(sessions.len(), 200);
    let (mut stops, mut kinds) = (0, BTreeSet::new());
    for events in sessions.values() {
        let kind = |event: &Value| event["event_type"].as_str().unwrap().to_owned();
        assert_eq!(kind(&events[0]), "start");
        assert!(events[1..].iter().all(|event| kind(event) != "start"));
        let stopped = events.iter().filter(|event| kind(event) == "stop").count();
        assert!(stopped == 0 || (stopped == 1 && kind(events.last().unwrap()) == "stop"));
        stops += stopped;
        kinds.extend(events.iter().map(kind));
        for (before, event) in events.iter().zip(&events[1..]) {
            played_on(before, event);
        }
    }
    assert!(stops > 100 && stops < 180, "{stops} of 200 stopped");
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}

#[test]
fn one_appliance_serves_a_session_and_stands_in_the_players_country_if_any_does() {
    let (mut sessions, mut served) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for event in events(lively(5)).iter().filter(|event| event.stream == STREAM) {
        let event = json(event);
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let oca_id = text("oca_id");
        assert_eq!(*sessions.entry(text("session_id")).or_insert(oca_id.clone()), oca_id);
        served.entry(text("country")).or_default().insert(oca_id);
    }
    assert_eq!(served.remove("DE").unwrap(), ["de-0", "de-1"].map(str::to_owned).into());
    assert_eq!(served.remove("US").unwrap(), ["us-0".to_owned()].into());
    // Whoever has none at home is served by any.
    assert!(served.values().any(|by| by.contains("nz-0")) && !served.contains_key("NZ"));
    let unknown = PlaybackSettings { appliances: Vec::new(), ..lively(5) };
    assert!(events(unknown).iter().all(|event| json(event).get("oca_id").is_none()));
}

#[test]
fn a_member_who_comes_back_goes_on() {
    let play =
        |at_ms| Play { at_ms, member_id: 1, profile_id: 1, title_id: 3, impression_id: None };
    let settings = PlaybackSettings { missing_stop: 0.0, seek: 0.0, ..PlaybackSettings::default() };
    let plays = [play(FROM_MS), play(FROM_MS + 86_400_000)];
    let all: Vec<Value> = Playback::new(settings, plays).map(|event| json(&event)).collect();
    let of = |kind: &str| all.iter().filter(|e| e["event_type"] == kind).collect::<Vec<_>>();
    let (starts, stops) = (of("start"), of("stop"));
    assert_eq!((starts.len(), &starts[0]["position_s"]), (2, &Value::from(0)));
    assert!(stops[0]["position_s"].as_i64().unwrap() > 0);
    assert_eq!(starts[1]["position_s"], stops[0]["position_s"]);
}

#[test]
fn a_long_pause_ends_a_viewing_session() {
    let settings = PlaybackSettings { pause: 0.3, long_pause: 1.0, seek: 0.0, ..lively(5) };
    let mut sessions: BTreeMap<String, Vec<(i64, bool)>> = BTreeMap::new();
    for event in events(settings).iter().filter(|event| event.stream == STREAM) {
        let (at_ms, event) = (event.event_time_ms, json(event));
        let session = sessions.entry(event["session_id"].as_str().unwrap().to_owned()).or_default();
        session.push((at_ms, event["event_type"] == "pause"));
    }
    let next = sessions.values().flat_map(|events| events.iter().zip(&events[1..]));
    let silences: Vec<i64> =
        next.filter(|((_, pause), _)| *pause).map(|((at, _), (next, _))| next - at).collect();
    assert!(silences.len() > 100, "{}", silences.len());
    assert!(silences.iter().all(|silence| *silence > 30 * 60_000), "{silences:?}");
}

/// What an event says was played follows from the event before it.
fn played_on(before: &Value, event: &Value) {
    let position = before["position_s"].as_i64().unwrap();
    let from = event["played_from_s"].as_i64().unwrap_or(position);
    let to = event["played_to_s"].as_i64().unwrap_or(position);
    assert_eq!(from, position, "{event}");
    assert!(to <= event["duration_s"].as_i64().unwrap(), "{event}");
    match event["event_type"].as_str().unwrap() {
        "heartbeat" => assert_eq!(to - from, 30, "{event}"),
        "seek" => assert!(event["position_s"].as_i64().is_some()),
        _ => assert!((0..=30).contains(&(to - from)), "{event}"),
    }
    if event["event_type"] != "seek" {
        assert_eq!(event["position_s"].as_i64().unwrap(), to, "{event}");
    }
}

#[test]
fn a_session_follows_each_click_of_the_recording() {
    let recording = OpenBandit::bundled().unwrap().map(Result::unwrap);
    let clicks: Vec<ReplayEvent> = recording.filter(|event| event.stream == "clicks").collect();
    let plays: Vec<_> = clicks.iter().filter_map(clicked).collect();
    assert_eq!(plays.len(), clicks.len());
    let settings = PlaybackSettings { missing_stop: 0.0, ..Default::default() };
    let events: Vec<_> = Playback::new(settings, plays).collect();
    let led: BTreeSet<_> =
        events.iter().map(|event| json(event)["impression_id"].to_string()).collect();
    assert_eq!(led.len(), clicks.len());
    let starts: Vec<_> =
        events.iter().filter(|event| json(event)["event_type"] == "start").collect();
    assert!(starts.iter().zip(&clicks).all(|(start, click)| {
        start.event_time_ms == click.event_time_ms + 2000
            && json(start)["title_id"] == json(click)["item_id"]
    }));
}
