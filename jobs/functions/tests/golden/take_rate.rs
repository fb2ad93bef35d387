//! Take-rate and popularity.

use serde_json::json;

use super::harness::Golden;

#[tokio::test]
async fn take_rate_and_popularity_are_those_of_the_batch() {
    Golden::of("take-rate").check().await;
}

fn shown(id: &str, at: &str) -> String {
    let event = json!({"event_id": id, "event_time": at, "member_id": 1, "item_id": 7});
    event.to_string() + "\n"
}

fn start(id: &str, at: &str) -> String {
    let event = json!({
        "event_id": id, "event_time": at, "session_id": id, "member_id": 1, "profile_id": 1,
        "title_id": 7, "event_type": "start",
    });
    event.to_string() + "\n"
}

#[tokio::test]
async fn late_plays_correct_earlier_windows() {
    let impressions = shown("i1", "2026-01-01T08:10:00Z") + &shown("i2", "2026-01-01T11:30:00Z");
    // The second play comes hours after its time, and is due to the first impression.
    let playback = start("p1", "2026-01-01T13:00:00Z") + &start("p2", "2026-01-01T08:20:00Z");
    let streams = [("impressions", impressions), ("playback", playback)];
    let rows = Golden::of("take-rate").in_order("take-rate", &streams).await;
    let plays = |sink: &str| {
        let hourly = rows[sink].iter().filter(|row| row["hours"] == 1);
        let mut plays: Vec<_> = hourly
            .map(|row| {
                let start = row["window_start"].as_str().expect("a time").to_owned();
                (start, row["impressions"].as_i64(), row["plays"].as_i64())
            })
            .collect();
        plays.sort();
        plays
    };
    let expected = ["2026-01-01T08:00:00Z", "2026-01-01T11:00:00Z"]
        .map(|start| (start.to_owned(), Some(1), Some(1)));
    assert_eq!(plays("take_rate"), expected);
    assert_eq!(plays("final_take_rate"), expected);
}
