//! Feeds as others copy them over HTTP.

use std::sync::Arc;
use std::time::Duration;

use millrace_events::SystemClock;
use millrace_feeds::{FeedApi, FeedStore, Follower, Token};
use millrace_http::server;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stand::{Rows, Stand, follow, open, taken};

struct Served {
    url: String,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Served {
    async fn start(store: &FeedStore, follower: &Follower) -> Self {
        let clock = Arc::new(SystemClock::default());
        let api = FeedApi::new(store.clone(), follower.statuses(), clock);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("it works in a test");
        let url = format!("http://{}", listener.local_addr().expect("it works in a test"));
        let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
        serving.spawn(server::serve(listener, api.router(), stop.clone()));
        Self { url, client: reqwest::Client::new(), stop, serving }
    }

    fn get(&self, path: &str, accept: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url)).header("accept", accept)
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let response = self.get(path, "application/json").send().await.expect("it works in a test");
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_str(&response.text().await.expect("it works in a test"))
                .expect("it works in a test"),
        )
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
    }
}

fn apply(rows: &mut Rows, change: &Value) {
    let key = change["key"].to_string();
    if change["deleted"] == true {
        assert!(change.get("row").is_none());
        rows.remove(&key);
    } else {
        rows.insert(key, change["row"].to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_page_by_page_is_the_feed() {
    let stand = Stand::start().await;
    stand.create("titles", 2).await;
    let mut writer = stand.writer();
    writer.partitions = 2;
    writer.write("titles", &(0..40).map(|k| (k, Some(k))).collect::<Vec<_>>()).await;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
    taken(&follower, "titles", 40).await;
    let served = Served::start(&store, &follower).await;
    let (mut copy, mut path) = (Rows::new(), "/v1/feeds/titles?limit=9".to_owned());
    for round in 0..3 {
        loop {
            let (status, page) = served.json(&path).await;
            assert_eq!(status, 200, "{page}");
            for change in page["changes"].as_array().unwrap() {
                apply(&mut copy, change);
            }
            path = format!("/v1/feeds/titles?limit=9&since={}", page["next"].as_str().unwrap());
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(copy, writer.rows("titles"), "round {round}");
        writer.write("titles", &[(round, None), (round + 50, Some(1)), (7, Some(round))]).await;
        taken(&follower, "titles", writer.sent("titles")).await;
    }
    let lines = served.get(&path, "application/x-ndjson").send().await.unwrap();
    assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
    let lines = lines.text().await.unwrap();
    let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (tail, changes) = lines.split_last().unwrap();
    for change in changes {
        apply(&mut copy, change);
    }
    assert_eq!((copy, &tail["more"]), (writer.rows("titles"), &json!(false)));
    served.stop().await;
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_refused() {
    let stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    writer.write("titles", &[(1, Some(1))]).await;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
    taken(&follower, "titles", 1).await;
    let served = Served::start(&store, &follower).await;
    let token = Token { generation: 0, given_ms: 0, next: [(0, 1)].into() };
    let old = format!("/v1/feeds/titles?since={token}");
    for (path, status, kind) in [
        ("/v1/feeds/others", 404, "no-feed"),
        ("/v1/feeds/titles?since=yesterday", 400, "bad-request"),
        ("/v1/feeds/titles?limit=0", 400, "bad-request"),
        ("/v1/feeds/titles?from=1", 400, "bad-request"),
        (&old, 410, "read-again"),
    ] {
        let (answered, problem) = served.json(path).await;
        assert_eq!(answered, status, "{path}: {problem}");
        assert_eq!(problem["type"], format!("urn:millrace:problem:{kind}"), "{path}");
    }
    let (_, feeds) = served.json("/v1/feeds").await;
    assert_eq!(feeds["feeds"][0]["feed"], "titles");
    assert_eq!(feeds["feeds"][0]["records"], 1);
    served.stop().await;
    follower.stop().await;
}

/// The next event that is one.
async fn event(response: &mut reqwest::Response, rest: &mut String) -> (Option<String>, Value) {
    loop {
        if let Some((text, after)) =
            rest.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned()))
        {
            *rest = after;
            let field = |name: &str| {
                text.lines().find_map(|line| line.strip_prefix(name)).map(|v| v.trim().to_owned())
            };
            if let Some(data) = field("data:") {
                return (field("id:"), serde_json::from_str(&data).expect("it works in a test"));
            }
            continue;
        }
        let chunk = tokio::time::timeout(Duration::from_mins(1), response.chunk()).await;
        let chunk = chunk.expect("an event").expect("it works in a test").expect("not ended");
        rest.push_str(std::str::from_utf8(&chunk).expect("it works in a test"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_as_events_and_go_on_where_a_reader_was() {
    let stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    writer.write("titles", &[(1, Some(1)), (2, Some(2))]).await;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
    taken(&follower, "titles", 2).await;
    let served = Served::start(&store, &follower).await;
    let events = || served.get("/v1/feeds/titles", "text/event-stream");
    let (mut response, mut rest) = (events().send().await.unwrap(), String::new());
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut copy = Rows::new();
    apply(&mut copy, &event(&mut response, &mut rest).await.1);
    let (id, second) = event(&mut response, &mut rest).await;
    apply(&mut copy, &second);
    assert_eq!(copy, writer.rows("titles"));
    writer.write("titles", &[(1, None)]).await;
    apply(&mut copy, &event(&mut response, &mut rest).await.1);
    assert_eq!(copy, writer.rows("titles"));
    drop(response);
    writer.write("titles", &[(3, Some(3))]).await;
    let again = events().header("last-event-id", id.expect("the last of a page has an id"));
    let (mut response, mut rest) = (again.send().await.unwrap(), String::new());
    let (_, first) = event(&mut response, &mut rest).await;
    assert_eq!((&first["deleted"], &first["key"]["id"]), (&json!(true), &json!(1)));
    apply(&mut copy, &event(&mut response, &mut rest).await.1);
    assert_eq!(copy, writer.rows("titles"));
    drop(response);
    served.stop().await;
    follower.stop().await;
}
