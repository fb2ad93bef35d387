//! Who watches what before the story begins: a catalogue, members, plays and impressions of today.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

/// The member whose pages are read closely.
pub(super) const MEMBER: i64 = 1;
/// Who else there is.
pub(super) const OTHERS: RangeInclusive<i64> = 2..=4;
/// What [`MEMBER`] watched, in this order: more than the history keeps unpacked.
pub(super) const WATCHED: RangeInclusive<i64> = 1..=25;
/// The catalogue; the last are the newest.
const TITLES: RangeInclusive<i64> = 1..=40;
/// Where a player is after its first report.
pub(super) const POSITION_S: i32 = 30;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The catalogue's rows of the feed `titles`; each title has three images.
pub(super) fn titles() -> Vec<Value> {
    let title = |id: i64| {
        json!({
            "title_id": id, "name": format!("Title {id}"), "duration_s": 3600,
            "released": format!("2025-{:02}-{:02}", 1 + id / 20, 1 + id % 20),
            "artworks": [id * 10, id * 10 + 1, id * 10 + 2],
        })
    };
    TITLES.map(title).collect()
}

/// Rows of the feed `members`.
pub(super) fn members() -> Vec<Value> {
    let row = |member: i64| json!({ "member_id": member, "country": "DE" });
    (MEMBER..=*OTHERS.end()).map(row).collect()
}

/// What a player reports that is opened and plays for half a minute: a play.
pub(super) fn play(member: i64, title: i64, at_ms: i64, impression: Option<&str>) -> [Value; 2] {
    let session = format!("{member}-{title}-{at_ms}");
    let event = |event_type: &str, after_s: i32| {
        json!({
            "event_id": format!("{session}-{event_type}"), "session_id": session,
            "event_time": at_ms + i64::from(after_s) * 1000, "event_type": event_type,
            "member_id": member, "profile_id": 1, "title_id": title, "duration_s": 3600,
            "position_s": after_s, "device": "tv", "country": "DE", "impression_id": impression,
        })
    };
    let mut heartbeat = event("heartbeat", POSITION_S);
    heartbeat["played_from_s"] = json!(0);
    heartbeat["played_to_s"] = json!(POSITION_S);
    [event("start", 0), heartbeat]
}

/// Plays of two hours ago, over by now.
pub(super) fn earlier_plays(now_ms: i64) -> Vec<Value> {
    let at = |title: i64| now_ms - 2 * HOUR_MS - (*WATCHED.end() - title) * MINUTE_MS;
    let own = WATCHED.map(|title| (MEMBER, title));
    let others = [(2, 1), (2, 2), (3, 1), (3, 3), (4, 2), (4, 3)];
    own.chain(others).flat_map(|(member, title)| play(member, title, at(title), None)).collect()
}

/// Players of many members that are at it: with them event time is now in every partition.
pub(super) fn players_now(now_ms: i64) -> Vec<Value> {
    let heartbeat = |member: i64| {
        let [_, heartbeat] = play(member, 99, now_ms, None);
        heartbeat
    };
    (100..140).map(heartbeat).collect()
}

/// Title 1 with its first image, shown to the others three hours ago.
pub(super) fn earlier_impressions(now_ms: i64) -> Vec<Value> {
    let shown = |member: i64| {
        json!({
            "event_id": format!("earlier-{member}"), "event_time": (now_ms - 3 * HOUR_MS) * 1000,
            "campaign": "home", "policy": "uniform", "member_id": member, "item_id": 1,
            "artwork_id": 10, "row": "top_10", "position": 1, "propensity": 0.5, "country": "DE",
        })
    };
    OTHERS.map(shown).collect()
}

/// Member 2 clicked, and played the title an hour later: together one play.
pub(super) fn earlier_clicks(now_ms: i64) -> Vec<Value> {
    let at_us = (now_ms - 3 * HOUR_MS + MINUTE_MS) * 1000;
    vec![json!({
        "event_id": "click-2", "event_time": at_us, "impression_id": "earlier-2",
        "campaign": "home", "policy": "uniform", "member_id": 2, "item_id": 1, "position": 1,
    })]
}
