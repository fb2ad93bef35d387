//! What is picked for a member, from feeds put into the views by hand.

use std::sync::Arc;

use millrace_feeds::{Change, View};
use millrace_recommendation::{
    Ask, Composer, Country, MemberId, Page, RecommendationSettings, RowName, Shelves, TitleId,
};
use serde_json::{Value, json};

struct Stand {
    composer: Composer,
    views: Vec<Box<dyn View>>,
}

impl Stand {
    fn new() -> Self {
        let settings = RecommendationSettings::default();
        let shelves = Shelves::default();
        let views = shelves.views(settings.policy);
        let composer = Composer { shelves, weights: settings.weights, fallback: Arc::default() };
        Self { composer, views }
    }

    fn apply(&mut self, feed: &str, rows: &[Value], gone: bool) {
        let change = |row: &Value| {
            let text = bytes::Bytes::from(row.to_string());
            Change { key: text.clone(), row: (!gone).then_some(text), time_ms: 0 }
        };
        let changes: Vec<_> = rows.iter().map(change).collect();
        let view = self.views.iter_mut().find(|view| view.feed() == feed);
        view.expect("a feed of the service").apply(&changes);
    }

    fn watched(&mut self, title: i64, day: u32, completion: f64) {
        let row = json!({"member_id": 1, "profile_id": 1, "title_id": title,
            "last_watched": format!("2026-11-{day:02}T20:00:00Z"), "completion": completion,
            "position_s": 60.0});
        self.apply("history", &[row], false);
    }

    fn similar(&mut self, title: i64, others: &[(i64, f64)]) {
        let mut rows = Vec::new();
        for (rank, (other, score)) in (1..).zip(others) {
            rows.push(json!({"title_id": title, "rank": rank, "other_id": other, "score": score}));
        }
        self.apply("similar_titles", &rows, false);
    }

    fn page(&self) -> Page {
        let (member, country) = (MemberId(1), Some(Country::WORLD));
        let ask = Ask { member, profile: None, country, now_ms: 0, per_row: 5 };
        self.composer.personal(&ask, &|_| false).expect("the member has a history")
    }

    fn picks(&self) -> Vec<i64> {
        let page = self.page();
        let row = page.rows.iter().find(|row| row.name == RowName::TopPicks);
        row.map_or(Vec::new(), |row| row.titles.iter().map(|shown| shown.title.0).collect())
    }
}

#[test]
fn picks_are_near_what_was_watched_lately_and_new_to_the_member() {
    let mut stand = Stand::new();
    stand.watched(1, 10, 1.0);
    stand.watched(2, 11, 1.0);
    stand.similar(1, &[(30, 0.9), (31, 0.1)]);
    stand.similar(2, &[(40, 0.9), (1, 0.5), (41, 0.05)]);
    assert_eq!(stand.picks(), [40, 30, 31, 41], "the latest first, 1 is known");
    // Both speak for 31 now, however great the numbers of a list are.
    stand.similar(2, &[(40, 900.0), (31, 1000.0), (41, 1.0)]);
    assert_eq!(stand.picks()[..2], [31, 30]);
    // What was given up says little.
    stand.watched(2, 11, 0.01);
    assert_eq!(stand.picks()[0], 30);
}

#[test]
fn a_list_that_became_shorter_loses_its_end() {
    let mut stand = Stand::new();
    stand.watched(1, 10, 1.0);
    stand.similar(1, &[(30, 0.9), (31, 0.5), (32, 0.1)]);
    stand.apply("similar_titles", &[json!({"title_id": 1, "rank": 3})], true);
    assert_eq!(stand.picks(), [30, 31]);
    let gone = [1, 2].map(|rank| json!({"title_id": 1, "rank": rank}));
    stand.apply("similar_titles", &gone, true);
    assert_eq!(stand.picks(), [0_i64; 0]);
}

#[test]
fn lists_have_the_same_length_whatever_their_scores() {
    let mut stand = Stand::new();
    stand.similar(1, &[(2, 3.0), (3, 4.0)]);
    stand.similar(2, &[(1, 0.0), (3, -1.0)]);
    let list = |title| stand.composer.shelves.similar.to(TitleId(title)).to_vec();
    assert_eq!(list(1), [(TitleId(2), 0.6), (TitleId(3), 0.8)]);
    assert_eq!(list(2), [(TitleId(1), 0.0), (TitleId(3), 0.0)], "nothing is made of nothing");
}
