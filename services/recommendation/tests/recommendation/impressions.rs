//! What is answered is what is logged.

use std::collections::BTreeMap;

use millrace_bandit::{Policy, PolicyKind};
use serde_json::{Value, json};

use crate::stand::{
    Broker, Start, cards, create_topics, events, watched, write, write_catalogue, write_country,
};

#[tokio::test(flavor = "multi_thread")]
async fn impressions_are_the_answer_with_true_propensities() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    write_country(&kafka).await;
    write(&kafka, "history", &[watched(7, 3, 20, 0.5), watched(7, 4, 19, 1.0)]).await;
    let policy = |title: i64, image: i64| {
        json!({"title_id": title, "artwork_id": title * 10 + image, "version": 40 + title,
               "impressions": 100, "plays": 10 * image})
    };
    let rows: Vec<_> = (1..=5).flat_map(|t| (0..3).map(move |i| policy(t, i))).collect();
    write(&kafka, "artwork_policy", &rows).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(30 + 30 + 2 + 15).await;
    let mut shown: BTreeMap<String, (Value, Value, String)> = BTreeMap::new();
    for _ in 0..5 {
        let page = served.get("/v1/members/7/feed?country=DE&device=phone&explain=true").await;
        for row in page["rows"].as_array().unwrap() {
            for card in row["titles"].as_array().unwrap() {
                let id = card["impression_id"].as_str().unwrap().to_owned();
                let name = row["row"].as_str().unwrap().to_owned();
                let before = shown.insert(id, (page.clone(), card.clone(), name));
                assert!(before.is_none(), "an id is of one impression");
            }
        }
    }
    assert!(shown.len() > 100, "{}", shown.len());
    let logged = events(&kafka, "impressions", shown.len()).await;
    assert_eq!(logged.len(), shown.len());
    for event in &logged {
        let (page, card, row) = shown.remove(event["event_id"].as_str().unwrap()).expect("shown");
        for (column, value) in [
            ("item_id", &card["title_id"]),
            ("artwork_id", &card["artwork_id"]),
            ("position", &card["position"]),
            ("member_id", &page["member_id"]),
            ("country", &page["country"]),
            ("policy", &page["policy"]),
            ("row", &json!(row)),
            ("device", &json!("phone")),
        ] {
            assert_eq!(&event[column], value, "{column}");
        }
        let candidates = card["candidates"].as_array().unwrap();
        let probability = |c: &Value| c["probability"].as_f64().unwrap();
        let total: f64 = candidates.iter().map(probability).sum();
        assert!((total - 1.0).abs() < 1e-9, "candidates sum to {total}");
        let chosen = candidates.iter().find(|c| c["artwork_id"] == card["artwork_id"]).unwrap();
        assert!((probability(chosen) - event["propensity"].as_f64().unwrap()).abs() < 1e-12);
        let title = card["title_id"].as_i64().unwrap();
        let version = if title <= 5 { json!(40 + title) } else { Value::Null };
        assert_eq!(event["policy_version"], version);
        assert_eq!(event["context"].as_array().unwrap().len(), millrace_bandit::FEATURES);
        assert_eq!(event["context"][2], 1.0, "a phone");
    }
    assert!(shown.is_empty());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uniform_policy_shows_every_image_alike() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    let folder = tempfile::tempdir().unwrap();
    let mut start = Start::new(&broker, folder.path());
    start.settings.policy = Policy { kind: PolicyKind::Uniform, epsilon: 0.0 };
    let served = start.serve().await;
    served.has_read(30).await;
    let mut counts: BTreeMap<i64, u32> = BTreeMap::new();
    for _ in 0..40 {
        let page = served.get("/v1/members/1/feed?titles=25").await;
        assert_eq!(page["policy"], "uniform");
        for card in cards(&page) {
            let image =
                card["artwork_id"].as_i64().unwrap() - card["title_id"].as_i64().unwrap() * 10;
            *counts.entry(image).or_default() += 1;
        }
    }
    // The seed is fixed: 1,000 draws of three images.
    let total: u32 = counts.values().sum();
    assert_eq!((counts.len(), total), (3, 1000));
    assert!(counts.values().all(|n| (270..400).contains(n)), "{counts:?}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_requests_nor_the_end_wait_for_a_log_that_is_full() {
    let mut broker = Some(Broker::start().await);
    let kafka = broker.as_ref().unwrap().settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    let folder = tempfile::tempdir().unwrap();
    let mut start = Start::new(broker.as_ref().unwrap(), folder.path());
    start.settings.log_answers = 1;
    // An answer is more: with the broker gone, the first one is stuck half-way.
    start.log_bytes = 4096;
    let served = start.serve().await;
    served.has_read(30).await;
    if let Some(broker) = broker.take() {
        broker.stop().await;
    }
    for _ in 0..200 {
        assert_eq!(cards(&served.get("/v1/members/1/feed").await).len(), 10);
    }
    served.stop().await;
}
