//! A broker with feeds, the service over it, and a client.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_bus::{
    Admin, BusError, Consumer, EmbeddedBroker, FetchLimits, KafkaSettings, Producer,
    ProducerLimits, TopicSettings,
};
use millrace_events::{
    Emitter, EmitterSettings, Outgoing, PartitionId, SystemClock, TopicPartition, Transport,
    WhenFull,
};
use millrace_feeds::{FeedStore, FollowerSettings};
use millrace_http::server;
use millrace_recommendation::{Parts, Recommendation, RecommendationSettings, Source};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A broker of the test's own: feeds are topics of fixed names, which tests on one broker would
/// share.
pub(crate) struct Broker {
    broker: EmbeddedBroker,
    folder: TempDir,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = EmbeddedBroker::start(folder.path(), listen).await.expect("a broker");
        Self { broker, folder }
    }

    pub(crate) fn settings(&self) -> KafkaSettings {
        KafkaSettings::plain(self.broker.address().to_string())
    }

    pub(crate) async fn stop(self) {
        self.broker.stop().await;
        drop(self.folder);
    }
}

/// A test that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Every feed and its key.
pub(crate) const FEEDS: [(&str, &[&str]); 9] = [
    ("titles", &["title_id"]),
    ("members", &["member_id"]),
    ("history", &["member_id", "profile_id", "title_id"]),
    ("history_packed", &["member_id", "profile_id", "chunk"]),
    ("popularity", &["country", "title_id"]),
    ("top_titles", &["country", "rank"]),
    ("take_rate", &["title_id", "country", "hours", "window_start"]),
    ("similar_titles", &["title_id", "rank"]),
    ("artwork_policy", &["title_id", "artwork_id"]),
];

pub(crate) fn producer(kafka: &KafkaSettings) -> Producer {
    let limits = ProducerLimits { queue_bytes: 8 << 20, linger: Duration::ZERO };
    Producer::new(kafka, limits).expect("settings")
}

/// Creates the topics of feeds and events.
pub(crate) async fn create_topics(kafka: &KafkaSettings) {
    let admin = Admin::new(kafka).expect("settings");
    let feeds = FEEDS.iter().map(|(feed, _)| (*feed, TopicSettings::compacted(1)));
    let streams = ["impressions", "history_deletions"].map(|s| (s, TopicSettings::plain(1)));
    for (topic, settings) in feeds.chain(streams) {
        let creating = async {
            loop {
                // A machine that is busy with other tests answers when it can.
                match admin.ensure_topic_with(topic, &settings).await {
                    Err(BusError::Retry { .. }) => {}
                    made => return made.expect("created"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, creating).await.expect("created in time");
    }
}

/// Writes rows to a feed as jobs do: the key is the object of the key columns.
pub(crate) async fn write(kafka: &KafkaSettings, feed: &str, rows: &[Value]) {
    let columns = FEEDS.iter().find(|(name, _)| *name == feed).expect("a feed").1;
    let record = |row: &Value| {
        let key = columns.iter().map(|c| ((*c).to_owned(), row[*c].clone())).collect();
        Outgoing {
            topic: feed.into(),
            partition: Some(PartitionId(0)),
            key: Some(Value::Object(key).to_string().into()),
            value: row["deleted"].is_null().then(|| row.to_string().into()),
            headers: Vec::new(),
            timestamp_ms: None,
        }
    };
    for sent in producer(kafka).send(rows.iter().map(record).collect()).await {
        sent.expect("acknowledged");
    }
}

/// Titles 1 to 30, newest last; 29 is not shown in Germany; each has three images.
pub(crate) async fn write_catalogue(kafka: &KafkaSettings) {
    let title = |id: i64| {
        let countries = if id == 29 { json!(["GB"]) } else { json!([]) };
        json!({
            "title_id": id, "name": format!("Title {id}"), "duration_s": 3600,
            "released": format!("2026-01-{id:02}"), "countries": countries,
            "artworks": [id * 10, id * 10 + 1, id * 10 + 2],
        })
    };
    write(kafka, "titles", &(1..=30).map(title).collect::<Vec<_>>()).await;
}

/// What Germany watches: title 1 most, then 2, …; trending is 12 and 13.
pub(crate) async fn write_country(kafka: &KafkaSettings) {
    let top = |rank: i64| json!({"country": "DE", "rank": rank, "title_id": rank, "score": 1.0});
    write(kafka, "top_titles", &(1..=10).map(top).collect::<Vec<_>>()).await;
    let popular = |id: i64| {
        let trend = if id == 12 || id == 13 { 20.0 } else { 0.1 };
        json!({"country": "DE", "title_id": id, "plays": 100 - id, "score": 100 - id,
               "trend": trend, "as_of": "2026-11-21T00:00:00Z"})
    };
    write(kafka, "popularity", &(1..=20).map(popular).collect::<Vec<_>>()).await;
}

pub(crate) fn watched(member: i64, title: i64, day: i64, completion: f64) -> Value {
    json!({
        "member_id": member, "profile_id": 1, "title_id": title,
        "last_watched": format!("2026-11-{day:02}T20:00:00Z"), "position_s": completion * 3600.0,
        "duration_s": 3600, "completion": completion, "watched_s": completion * 3600.0,
        "sessions": 1, "device": "tv",
    })
}

/// The service, served.
pub(crate) struct Served {
    pub(crate) service: Recommendation,
    pub(crate) url: String,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

pub(crate) struct Start<'a> {
    pub(crate) kafka: KafkaSettings,
    pub(crate) folder: &'a Path,
    pub(crate) settings: RecommendationSettings,
    /// Most bytes of impressions on their way.
    pub(crate) log_bytes: usize,
}

impl<'a> Start<'a> {
    pub(crate) fn new(broker: &Broker, folder: &'a Path) -> Self {
        let mut settings = RecommendationSettings::default();
        // A machine that is busy with other tests is no overload of the service.
        settings.limits.lag = Duration::from_mins(1);
        let log_bytes = EmitterSettings::default().queue_bytes;
        Self { kafka: broker.settings(), folder, settings, log_bytes }
    }

    pub(crate) async fn serve(self) -> Served {
        self.serve_with(|source| source).await
    }

    pub(crate) async fn serve_with(
        self,
        around: impl Fn(Arc<dyn Source>) -> Arc<dyn Source>,
    ) -> Served {
        let clock = Arc::new(SystemClock::default());
        let store = FeedStore::open(&self.folder.join("feeds")).expect("a store").store;
        let mut following = FollowerSettings::new(self.kafka.clone());
        following.ask_every = Duration::from_millis(50);
        let emitter = async |when_full, queue_bytes| {
            let settings = EmitterSettings {
                when_full,
                queue_bytes,
                grace: Duration::from_secs(1),
                ..EmitterSettings::default()
            };
            let transport = Arc::new(producer(&self.kafka));
            Emitter::start(transport, clock.clone(), settings).await.expect("an emitter")
        };
        let parts = Parts {
            following,
            store,
            impressions: emitter(WhenFull::Wait, self.log_bytes).await,
            deletions: emitter(WhenFull::Refuse, 1 << 20).await,
            fallback: Some(self.folder.join("static.json")),
            metrics: None,
            clock: clock.clone(),
        };
        let service = Recommendation::start_with(self.settings, parts, around).expect("started");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
        serving.spawn(server::serve(listener, service.router(), stop.clone()));
        Served { service, url, client: reqwest::Client::new(), stop, serving }
    }
}

impl Served {
    /// Waits until these feeds are read to their ends, at least `records` rows altogether.
    pub(crate) async fn has_read(&self, records: u64) {
        let looking = async {
            loop {
                let all = self.service.statuses().all();
                let read = all.iter().all(|s| s.caught_up);
                if read && all.iter().map(|s| s.records).sum::<u64>() >= records {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let read = tokio::time::timeout(PATIENCE, looking).await;
        read.unwrap_or_else(|_| panic!("never read: {:?}", self.service.statuses().all()));
    }

    pub(crate) async fn ask(&self, method: reqwest::Method, path: &str) -> (u16, Value) {
        let sent = self.client.request(method, format!("{}{path}", self.url)).send().await;
        let response = sent.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(reqwest::Method::GET, path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let (_, body) = self.ask(reqwest::Method::GET, path).await;
                if wanted(&body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, asking).await;
        found.unwrap_or_else(|_| panic!("{path} was never as wanted"))
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
        tokio::time::timeout(PATIENCE, self.service.stop()).await.expect("the service ends");
    }
}

/// The first `count` events of a topic.
pub(crate) async fn events(kafka: &KafkaSettings, topic: &str, count: usize) -> Vec<Value> {
    let (kafka, topic) = (kafka.clone(), topic.to_owned());
    let reading = tokio::task::spawn_blocking(move || {
        let limits = FetchLimits { queue_bytes: 8 << 20, batch_bytes: 1 << 20 };
        let mut consumer = Consumer::manual(&kafka, limits).expect("settings");
        consumer.start_at(&TopicPartition::new(topic, 0), None).expect("started");
        let mut found = Vec::new();
        for _ in 0..600 {
            for batch in consumer.poll(Duration::from_millis(100)).expect("polled") {
                let value = |row| Bytes::copy_from_slice(batch.value(row).expect("a value"));
                let parse = |row| serde_json::from_slice(&value(row)).expect("JSON");
                found.extend((0..batch.len()).map(parse));
            }
            if found.len() >= count {
                return found;
            }
        }
        panic!("{} events of {count}", found.len())
    });
    reading.await.expect("read")
}

/// The titles of a row; empty if the page has no such row.
pub(crate) fn row(page: &Value, name: &str) -> Vec<i64> {
    let rows = page["rows"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["row"] == name);
    let titles = found.and_then(|row| row["titles"].as_array()).cloned().unwrap_or_default();
    titles.iter().map(|card| card["title_id"].as_i64().expect("an id")).collect()
}

/// Every card of a page.
pub(crate) fn cards(page: &Value) -> Vec<Value> {
    let rows = page["rows"].as_array().expect("rows");
    rows.iter().flat_map(|row| row["titles"].as_array().expect("titles").clone()).collect()
}
