//! Feeds that are made up.

use millrace_feeds::{Change, View};
use serde_json::{Value, json};

const TITLES: i64 = 5_000;
const COUNTRIES: [&str; 10] = ["US", "GB", "DE", "FR", "JP", "BR", "IN", "MX", "KR", "ES"];

/// A cheap sequence that looks like chance.
pub(crate) fn mix(n: i64) -> i64 {
    let n = n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (n ^ (n >> 29)).cast_signed().abs() >> 8
}

/// A small number.
fn real(n: i64) -> f64 {
    f64::from(i32::try_from(n).expect("small"))
}

fn country(member: i64) -> &'static str {
    COUNTRIES[usize::try_from(member % 10).expect("a digit")]
}

fn put(views: &mut [Box<dyn View>], feed: &str, rows: impl Iterator<Item = Value>) {
    let view = views.iter_mut().find(|view| view.feed() == feed).expect("a feed of the service");
    let change = |row: Value| {
        let text = row.to_string();
        Change { key: text.clone().into(), row: Some(text.into()), time_ms: 0 }
    };
    let mut changes = rows.map(change);
    loop {
        let chunk: Vec<_> = changes.by_ref().take(4096).collect();
        if chunk.is_empty() {
            return;
        }
        view.apply(&chunk);
    }
}

/// Fills every feed but those of members.
pub(crate) fn fill(views: &mut [Box<dyn View>]) {
    let title = |id: i64| {
        json!({"title_id": id, "name": format!("Title {id}"), "duration_s": 5400,
               "released": format!("20{:02}-{:02}-{:02}", 10 + id % 16, 1 + id % 12, 1 + id % 28),
               "artworks": (0..6).map(|n| id * 10 + n).collect::<Vec<_>>()})
    };
    put(views, "titles", (0..TITLES).map(title));
    let of_countries = COUNTRIES.iter().flat_map(|c| (0..TITLES).map(move |t| (*c, t)));
    let popular = of_countries.map(|(country, t)| {
        json!({"country": country, "title_id": t, "plays": mix(t) % 1000,
               "score": real(mix(t) % 1000) / 7.0, "trend": real(mix(t + 1) % 100) / 50.0})
    });
    put(views, "popularity", popular);
    let top = COUNTRIES.iter().flat_map(|c| (1..=50).map(move |rank| (*c, rank)));
    let top =
        top.map(|(c, rank)| json!({"country": c, "rank": rank, "title_id": mix(rank) % TITLES}));
    put(views, "top_titles", top);
    let similar = (0..TITLES).flat_map(|t| (1..=50).map(move |rank| (t, rank)));
    let similar = similar.map(|(t, rank)| {
        json!({"title_id": t, "rank": rank, "other_id": mix(t * 31 + rank) % TITLES,
               "score": 1.0 / (real(rank) + 1.0)})
    });
    put(views, "similar_titles", similar);
    let policy = (0..TITLES).flat_map(|t| (0..6).map(move |n| (t, n)));
    let policy = policy.map(|(t, n)| {
        json!({"title_id": t, "artwork_id": t * 10 + n, "version": 9, "impressions": 1000,
               "plays": 20 + 10 * n})
    });
    put(views, "artwork_policy", policy);
}

/// Fills the feeds of members: a country and eight titles each.
pub(crate) fn fill_members(views: &mut [Box<dyn View>], members: i64) {
    let member = |m: i64| json!({"member_id": m, "country": country(m)});
    put(views, "members", (0..members).map(member));
    let watched = (0..members).flat_map(|m| (0..8).map(move |n| (m, n)));
    let watched = watched.map(|(m, n)| {
        json!({"member_id": m, "profile_id": 1, "title_id": mix(m * 8 + n) % TITLES,
               "last_watched": format!("2026-11-{:02}T20:00:00Z", 1 + (n + m) % 28),
               "position_s": 100, "duration_s": 5400, "watched_s": 100, "device": "tv",
               "completion": real(mix(m + n) % 100) / 100.0})
    });
    put(views, "history", watched);
}
