//! Rows: what is on them, in which order.

use std::collections::BTreeSet;

use serde_json::json;

use crate::stand::{
    Broker, Start, cards, create_topics, row, watched, write, write_catalogue, write_country,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_rows_of_their_own() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    write_country(&kafka).await;
    write(&kafka, "members", &[json!({"member_id": 7, "country": "DE"})]).await;
    // Begun: 3 and 21; ended: 15, and 1, which is the top title.
    let history = [
        watched(7, 3, 20, 0.5),
        watched(7, 21, 10, 0.2),
        watched(7, 15, 19, 1.0),
        watched(7, 1, 1, 0.97),
    ];
    write(&kafka, "history", &history).await;
    // Of the title watched last, more than the picks take; two of them must not be shown.
    let others = [16, 17, 3, 29, 18, 19, 20, 22, 23, 24, 25, 26, 27];
    let similar: Vec<_> = (1..)
        .zip(others)
        .map(|(rank, other)| {
            let score = 1.0 - f64::from(rank) / 20.0;
            json!({"title_id": 15, "rank": rank, "other_id": other, "score": score})
        })
        .collect();
    write(&kafka, "similar_titles", &similar).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(30 + 30 + 1 + 4 + 13).await;
    let page = served.get("/v1/members/7/feed?device=tv").await;
    assert_eq!((&page["rung"], &page["country"]), (&json!("personal"), &json!("DE")));
    let names: Vec<_> =
        page["rows"].as_array().unwrap().iter().map(|r| r["row"].as_str().unwrap()).collect();
    let personal = ["continue_watching", "top_picks", "trending", "because_you_watched"];
    assert_eq!(names, [&personal[..], &["top_10", "new"]].concat());
    assert_eq!(row(&page, "continue_watching"), [3, 21], "most recent first");
    assert_eq!(row(&page, "top_10"), [2, 4, 5, 6, 7, 8, 9, 10], "but what is ended or above");
    let picks = [16, 17, 18, 19, 20, 22, 23, 24, 25, 26];
    assert_eq!(row(&page, "top_picks"), picks, "29 is not shown in Germany");
    assert_eq!(row(&page, "because_you_watched"), [27], "what the picks left");
    assert_eq!(row(&page, "trending")[..2], [12, 13].map(|t| row_order(&page, t)));
    assert_eq!(row(&page, "new")[..2], [30, 28]);
    let all: Vec<i64> = cards(&page).iter().map(|c| c["title_id"].as_i64().unwrap()).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "no title twice: {all:?}");
    assert!(!all.contains(&1) && !all.contains(&15), "what is ended is not shown");
    let first = &cards(&page)[0];
    assert_eq!((&first["name"], &first["resume_s"]), (&json!("Title 3"), &json!(1800.0)));
    let image = first["artwork_id"].as_i64().unwrap();
    assert!((30..=32).contains(&image), "one of its images: {image}");
    served.stop().await;
}

/// `title`, wherever the ranking put it among the first two of the trending row.
fn row_order(page: &serde_json::Value, title: i64) -> i64 {
    let trending = row(page, "trending");
    assert!(trending[..2].contains(&title), "{trending:?}");
    trending[usize::from(title != 12)]
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_feeds_show_in_the_next_answers() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(0).await;
    let path = "/v1/members/5/feed?country=DE";
    assert_eq!(served.get(path).await["rung"], "static", "nothing is known of anything");
    write_country(&kafka).await;
    let page = served.until(path, |page| page["rung"] == "country").await;
    assert!(row(&page, "top_10").len() == 10 || row(&page, "trending").len() == 10);
    write(&kafka, "history", &[watched(5, 4, 20, 0.4)]).await;
    let page = served.until(path, |page| page["rung"] == "personal").await;
    assert_eq!(row(&page, "continue_watching"), [4]);
    let mut gone = watched(5, 4, 20, 0.4);
    gone["deleted"] = json!(true);
    write(&kafka, "history", &[gone]).await;
    served.until(path, |page| page["rung"] == "country").await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_requests_are_told() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    for path in [
        "/v1/members/x/feed",
        "/v1/members/1/feed?device=radio",
        "/v1/members/1/feed?titles=0",
        "/v1/members/1/feed?country=Germany",
        "/v1/members/1/feed?profil=1",
        "/v1/titles/x/stats",
    ] {
        let (status, problem) = served.ask(reqwest::Method::GET, path).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:millrace:problem:bad-request")));
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()), "{path}");
    }
    let document = served.get("/openapi.json").await;
    for path in [
        "/v1/members/{id}/feed",
        "/v1/members/{id}/history",
        "/v1/members/{id}/history/{title}",
        "/v1/titles/{id}/stats",
        "/v1/feeds/{name}",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    assert_eq!(served.get("/healthz").await["status"], "alive");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_of_a_title_come_from_four_feeds() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    write_country(&kafka).await;
    let rate = |hours: u32, day: u32, plays: i64| {
        json!({"title_id": 2, "country": "DE", "hours": hours, "impressions": 100,
               "window_start": format!("2026-11-{day:02}T00:00:00Z"), "plays": plays,
               "take_rate": 0.1, "low": 0.05, "high": 0.2})
    };
    write(&kafka, "take_rate", &[rate(1, 19, 9), rate(1, 20, 10), rate(168, 14, 70)]).await;
    // A correction of an older window does not replace the latest.
    write(&kafka, "take_rate", &[rate(1, 19, 8)]).await;
    let policy = |image: i64, plays: i64| {
        json!({"title_id": 2, "artwork_id": image, "version": 3, "impressions": 1000,
               "plays": plays, "alpha": plays + 1, "beta": 1001 - plays})
    };
    write(&kafka, "artwork_policy", &[policy(20, 10), policy(21, 200), policy(22, 10)]).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(30 + 30 + 3 + 3).await;
    let stats = served.get("/v1/titles/2/stats?country=de").await;
    assert_eq!((&stats["name"], &stats["rank"]), (&json!("Title 2"), &json!(2)));
    assert_eq!(stats["popularity"]["score"], 98.0);
    let plays: Vec<_> =
        stats["take_rates"].as_array().unwrap().iter().map(|r| r["plays"].clone()).collect();
    assert_eq!(plays, [json!(10), json!(70)], "the latest of each length");
    assert_eq!((&stats["policy"], &stats["policy_version"]), (&json!("thompson"), &json!(3)));
    let artworks = stats["artworks"].as_array().unwrap();
    let best = artworks.iter().find(|a| a["artwork_id"] == 21).unwrap();
    assert!(best["probability"].as_f64().unwrap() > 0.9, "{artworks:?}");
    served.stop().await;
}

/// Image 20 has the better play rate, so that the policy prefers it; weighted by how likely each
/// was shown, image 21 would have been played far more often.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_worse_than_one_image_is_given_up_for_it() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    let learnt = |image: i64, plays: u32, propensity: f64| {
        let inverse = f64::from(plays) / propensity;
        json!({"title_id": 2, "artwork_id": image, "version": 3, "impressions": 1000,
               "plays": plays, "inverse_plays": inverse, "inverse_squares": inverse / propensity})
    };
    write(&kafka, "artwork_policy", &[learnt(20, 500, 0.9), learnt(21, 400, 0.05)]).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(30 + 2).await;
    let stats = served.get("/v1/titles/2/stats?country=de").await;
    let artworks = stats["artworks"].as_array().unwrap();
    let best = artworks.iter().find(|a| a["artwork_id"] == 21).unwrap();
    assert!(best["probability"].as_f64().unwrap() > 0.9, "{artworks:?}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_copy_the_feeds() {
    let broker = Broker::start().await;
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(30).await;
    let page = served.get("/v1/feeds/titles?limit=20").await;
    assert_eq!((page["changes"].as_array().unwrap().len(), &page["more"]), (20, &json!(true)));
    assert_eq!(page["changes"][0]["row"]["name"], "Title 1");
    let next = page["next"].as_str().unwrap();
    let page = served.get(&format!("/v1/feeds/titles?since={next}")).await;
    assert_eq!((page["changes"].as_array().unwrap().len(), &page["more"]), (10, &json!(false)));
    assert_eq!(served.get("/v1/feeds").await["feeds"].as_array().unwrap().len(), 9);
    served.stop().await;
}
