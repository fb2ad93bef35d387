//! Feeds gone, broker down, store spoilt, member unknown, sources that fail, overload.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use millrace_recommendation::{
    Ask, BreakerSettings, Page, PressureLimits, Priority, Source, Verdict, decide,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::BoxError;

use crate::stand::{
    Broker, Start, cards, create_topics, row, watched, write, write_catalogue, write_country,
};

async fn all_feeds(broker: &Broker) {
    let kafka = broker.settings();
    create_topics(&kafka).await;
    write_catalogue(&kafka).await;
    write_country(&kafka).await;
    write(&kafka, "history", &[watched(7, 3, 20, 0.5)]).await;
}

/// Rows that `all_feeds` leaves.
const ROWS: u64 = 30 + 30 + 1;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_member_gets_the_country_and_then_what_is_popular() {
    let broker = Broker::start().await;
    all_feeds(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(ROWS).await;
    let page = served.get("/v1/members/404/feed?country=DE").await;
    assert_eq!(page["rung"], "country");
    assert_eq!(row(&page, "top_10"), (1..=10).collect::<Vec<_>>());
    let page = served.get("/v1/members/404/feed?country=FR").await;
    assert_eq!(page["rung"], "static", "nothing is known of France");
    assert!(!cards(&page).is_empty());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_topics_pages_are_static_and_say_what_is_stale() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("static.json"), "[5,6,7]").unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    let stale = |page: &Value| page["stale"].as_array().is_some_and(|s| s.len() == 9);
    let page = served.until("/v1/members/7/feed?country=DE", stale).await;
    assert_eq!((&page["rung"], row(&page, "popular")), (&json!("static"), vec![5, 6, 7]));
    let (status, problem) = served.ask(Method::GET, "/readyz").await;
    assert_eq!((status, problem["errors"].as_array().unwrap().len()), (503, 9));
    all_feeds(&broker).await;
    let fresh = |page: &Value| page["rung"] == "personal" && page["stale"] == json!([]);
    served.until("/v1/members/7/feed?country=DE", fresh).await;
    assert_eq!(served.ask(Method::GET, "/readyz").await.0, 200);
    served.stop().await;
    let kept = fs::read_to_string(folder.path().join("static.json")).unwrap();
    assert_eq!(kept, "[1,2,3,4,5,6,7,8,9,10]", "for the next bad times");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_the_last_rows_are_served_after_a_restart_too() {
    let broker = Broker::start().await;
    all_feeds(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let mut start = Start::new(&broker, folder.path());
    start.settings.stale_after = Duration::from_millis(300);
    let served = start.serve().await;
    served.has_read(ROWS).await;
    let mut start = Start::new(&broker, folder.path());
    start.settings.stale_after = Duration::from_millis(300);
    broker.stop().await;
    let path = "/v1/members/7/feed?country=DE";
    let old = |page: &Value| page["stale"].as_array().is_some_and(|s| s.len() == 9);
    let page = served.until(path, old).await;
    assert_eq!(page["rung"], "personal", "served all the same");
    served.stop().await;
    let served = start.serve().await;
    let page = served.get(path).await;
    assert_eq!((&page["rung"], row(&page, "continue_watching")), (&json!("personal"), vec![3]));
    served.until(path, old).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_spoilt_is_built_again() {
    let broker = Broker::start().await;
    all_feeds(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(ROWS).await;
    served.stop().await;
    spoil(&folder.path().join("feeds"));
    let served = Start::new(&broker, folder.path()).serve().await;
    served.has_read(ROWS).await;
    assert_eq!(served.get("/v1/members/7/feed?country=DE").await["rung"], "personal");
    assert!(folder.path().join("feeds.unreadable-1").is_dir());
    served.stop().await;
}

fn spoil(dir: &Path) {
    for entry in fs::read_dir(dir).expect("it works in a test") {
        let path = entry.expect("it works in a test").path();
        if path.is_dir() {
            spoil(&path);
        } else {
            fs::write(&path, b"spoilt").expect("it works in a test");
        }
    }
}

/// What a source does while it is not itself.
#[derive(Default)]
struct Trouble {
    fails: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicU32,
}

struct Troubled {
    inner: Arc<dyn Source>,
    trouble: Arc<Trouble>,
}

#[async_trait]
impl Source for Troubled {
    async fn page(&self, ask: Ask) -> Result<Option<Page>, BoxError> {
        self.trouble.asked.fetch_add(1, Ordering::SeqCst);
        if self.trouble.fails.load(Ordering::SeqCst) {
            return Err("told to fail".into());
        }
        if self.trouble.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.inner.page(ask).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_fail_or_hang_are_left_alone_and_tried_again() {
    let broker = Broker::start().await;
    all_feeds(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let mut start = Start::new(&broker, folder.path());
    start.settings.rungs.timeout = Duration::from_millis(200);
    start.settings.rungs.breaker =
        BreakerSettings { failures: 3, pause: Duration::from_millis(500) };
    let trouble = Arc::new(Trouble::default());
    let around =
        |inner| -> Arc<dyn Source> { Arc::new(Troubled { inner, trouble: Arc::clone(&trouble) }) };
    let served = start.serve_with(around).await;
    served.has_read(ROWS).await;
    let path = "/v1/members/7/feed?country=DE";
    assert_eq!(served.get(path).await["rung"], "personal");
    for flag in [&trouble.fails, &trouble.hangs] {
        flag.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(served.get(path).await["rung"], "static");
        }
        flag.store(false, Ordering::SeqCst);
        served.until(path, |page| page["rung"] == "personal").await;
    }
    trouble.fails.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        served.get(path).await;
    }
    let asked = trouble.asked.load(Ordering::SeqCst);
    for _ in 0..20 {
        assert_eq!(served.get(path).await["rung"], "static");
    }
    // Forty questions to two rungs; an open breaker lets a trial through now and then.
    let more = trouble.asked.load(Ordering::SeqCst) - asked;
    assert!(more < 20, "asked {more} times while open");
    served.stop().await;
}

/// Waits until it is let go.
struct Gate {
    inner: Arc<dyn Source>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Source for Gate {
    async fn page(&self, ask: Ask) -> Result<Option<Page>, BoxError> {
        let _pass = self.gate.acquire().await?;
        self.inner.page(ask).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_ten_times_the_load_the_least_important_goes_first() {
    let broker = Broker::start().await;
    all_feeds(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let mut start = Start::new(&broker, folder.path());
    start.settings.limits = PressureLimits { requests: 20, lag: Duration::from_mins(1) };
    start.settings.rungs.timeout = Duration::from_mins(1);
    let gate = Arc::new(Semaphore::new(0));
    let around = |inner| -> Arc<dyn Source> { Arc::new(Gate { inner, gate: Arc::clone(&gate) }) };
    let served = Arc::new(start.serve_with(around).await);
    served.has_read(ROWS).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let served = Arc::clone(&served);
        asking.spawn(async move { served.ask(Method::GET, "/v1/members/7/feed?country=DE").await });
    }
    // What the limit refuses is answered at once, although everything else hangs.
    let mut refused = 0;
    while refused < 180 {
        let (status, problem) = asking.join_next().await.unwrap().unwrap();
        assert_eq!((status, &problem["type"]), (503, &json!("urn:millrace:problem:overloaded")));
        refused += 1;
    }
    assert_eq!(served.ask(Method::GET, "/v1/titles/1/stats").await.0, 503, "statistics wait");
    assert_eq!(served.ask(Method::GET, "/v1/feeds/titles").await.0, 503, "copies wait");
    assert_eq!(served.ask(Method::GET, "/v1/members/7/history").await.0, 503, "histories too");
    assert_eq!(served.ask(Method::GET, "/healthz").await.0, 200, "it lives");
    gate.add_permits(1000);
    let mut rungs = std::collections::BTreeMap::new();
    while let Some(answered) = asking.join_next().await {
        let (status, page) = answered.unwrap();
        assert_eq!(status, 200);
        *rungs.entry(page["rung"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(rungs.values().sum::<i32>(), 20, "{rungs:?}");
    assert_eq!(rungs["country"], 5, "the last quarter is answered with less work");
    assert_eq!(served.get("/v1/members/7/feed").await["rung"], "personal", "and it recovers");
    assert_eq!(served.ask(Method::GET, "/v1/titles/1/stats").await.0, 200);
    Arc::into_inner(served).unwrap().stop().await;
}

#[test]
fn shedding_follows_priorities_and_the_nearer_limit() {
    let limits = PressureLimits { requests: 100, lag: Duration::from_millis(100) };
    let [low, normal, high] = [Priority::Low, Priority::Normal, Priority::High];
    let cases = [
        (49, 0, [Verdict::Serve, Verdict::Serve, Verdict::Serve]),
        (50, 0, [Verdict::Shed, Verdict::Serve, Verdict::Serve]),
        (0, 60, [Verdict::Shed, Verdict::Serve, Verdict::Serve]),
        (75, 10, [Verdict::Shed, Verdict::Shed, Verdict::Lighter]),
        (10, 99, [Verdict::Shed, Verdict::Shed, Verdict::Lighter]),
        (100, 0, [Verdict::Shed, Verdict::Shed, Verdict::Shed]),
        (0, 100, [Verdict::Shed, Verdict::Shed, Verdict::Shed]),
    ];
    for (requests, lag, wanted) in cases {
        let lag = Duration::from_millis(lag);
        let got = [low, normal, high].map(|p| decide(p, requests, lag, &limits));
        assert_eq!(got, wanted, "{requests} requests, {lag:?}");
    }
}
