//! Histories: both parts, and deleting.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stand::{Broker, Start, create_topics, events, row, watched, write};

fn titles(history: &Value) -> Vec<i64> {
    let titles = history["titles"].as_array().expect("titles");
    titles.iter().map(|w| w["title_id"].as_i64().expect("an id")).collect()
}

/// Rows as the job packs them.
fn pack(rows: &[Value]) -> Vec<u8> {
    let lines: String = rows.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]).collect();
    zstd::encode_all(lines.as_bytes(), 3).expect("it works in a test")
}

fn chunk(number: usize, of: usize, bytes: &[u8]) -> Value {
    json!({"member_id": 7, "profile_id": 1, "chunk": number, "chunks": of,
           "packed": BASE64_STANDARD.encode(bytes)})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_its_recent_and_its_packed_part() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write(&kafka, "history", &[watched(7, 3, 20, 0.5), watched(7, 4, 18, 1.0)]).await;
    // 3 is in both parts; chunks are parts of one frame …
    let older = pack(&[watched(7, 3, 5, 0.1), watched(7, 9, 4, 1.0), watched(7, 8, 6, 1.0)]);
    let (first, second) = older.split_at(older.len() / 2);
    write(&kafka, "history_packed", &[chunk(0, 2, first), chunk(1, 2, second)]).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(4).await;
    let history = served.get("/v1/members/7/history").await;
    assert_eq!(titles(&history), [3, 4, 8, 9], "most recent first");
    assert_eq!(history["titles"][0]["completion"], 0.5, "the recent row of both");
    assert_eq!(titles(&served.get("/v1/members/7/history?profile=2").await), Vec::<i64>::new());
    assert_eq!(titles(&served.get("/v1/members/8/history").await), Vec::<i64>::new());
    // … or frames of their own.
    let each = [pack(&[watched(7, 9, 4, 1.0)]), pack(&[watched(7, 10, 3, 1.0)])];
    write(&kafka, "history_packed", &[chunk(0, 2, &each[0]), chunk(1, 2, &each[1])]).await;
    let packed = |history: &Value| titles(history) == [3, 4, 9, 10];
    served.until("/v1/members/7/history", packed).await;
    write(&kafka, "history_packed", &[chunk(0, 1, b"nonsense")]).await;
    let spoilt = |answer: &Value| answer["type"] == "urn:millrace:problem:unreadable-history";
    served.until("/v1/members/7/history", spoilt).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_hidden_at_once_and_told_to_the_job() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write(&kafka, "history", &[watched(7, 3, 20, 0.5), watched(7, 4, 19, 0.5)]).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(2).await;
    let (status, deletion) = served.ask(Method::DELETE, "/v1/members/7/history/3").await;
    assert_eq!((status, &deletion["profiles"]), (202, &json!([1])));
    assert_eq!(titles(&served.get("/v1/members/7/history").await), [4]);
    let page = served.get("/v1/members/7/feed").await;
    assert_eq!(row(&page, "continue_watching"), [4]);
    let (status, _) = served.ask(Method::DELETE, "/v1/members/7/history/99").await;
    assert_eq!(status, 404, "never watched");
    let (status, _) = served.ask(Method::DELETE, "/v1/members/7/history/99?profile=3").await;
    assert_eq!(status, 202, "unless somebody knows better");
    let told = events(&kafka, "history_deletions", 2).await;
    let of = |e: &Value| (e["member_id"].clone(), e["profile_id"].clone(), e["title_id"].clone());
    assert_eq!(of(&told[0]), (json!(7), json!(1), json!(3)));
    assert_eq!(of(&told[1]), (json!(7), json!(3), json!(99)));
    assert!(told[0]["event_id"].is_string() && told[0]["event_time"].is_string());
    // Watched again after the deletion, it is there again.
    let mut again = watched(7, 3, 20, 0.1);
    again["last_watched"] = json!("2999-01-01T00:00:00Z");
    write(&kafka, "history", &[again]).await;
    served.until("/v1/members/7/history", |history| titles(history) == [3, 4]).await;
    served.stop().await;
}
