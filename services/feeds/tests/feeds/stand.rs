//! A broker that can go and come back, feeds written to it, and what a reader should hold.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use millrace_bus::testing::KAFKA_VARIABLE;
use millrace_bus::{
    Admin, BusError, EmbeddedBroker, KafkaSettings, Producer, ProducerLimits, TopicSettings,
};
use millrace_events::{Outgoing, PartitionId, SystemClock, Transport};
use millrace_feeds::{Change, FeedStatus, FeedStore, Follower, FollowerSettings, Opened, View};
use tempfile::TempDir;

/// A test that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Rows by key.
pub(crate) type Rows = BTreeMap<String, String>;

/// A broker at an address that stays.
pub(crate) struct Stand {
    bootstrap: String,
    broker: Option<EmbeddedBroker>,
    folder: TempDir,
}

impl Stand {
    /// An embedded broker, which can go and come back.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = EmbeddedBroker::start(folder.path(), listen).await.expect("a broker");
        Self { bootstrap: broker.address().to_string(), broker: Some(broker), folder }
    }

    /// The real Kafka that `MILLRACE_TEST_KAFKA` names, else an embedded broker.
    pub(crate) async fn any() -> Self {
        let Ok(bootstrap) = std::env::var(KAFKA_VARIABLE) else { return Self::start().await };
        Self { bootstrap, broker: None, folder: tempfile::tempdir().expect("a folder") }
    }

    /// A feed that nobody else has.
    pub(crate) fn feed(&self, name: &str) -> String {
        // The folder's name is random.
        let folder = self.folder.path().file_name().expect("it has one").to_string_lossy();
        format!("{name}-{}", folder.trim_start_matches('.'))
    }

    pub(crate) fn kafka(&self) -> KafkaSettings {
        let mut kafka = KafkaSettings::plain(&self.bootstrap);
        let quick = ("reconnect.backoff.max.ms".to_owned(), "200".to_owned());
        kafka.properties.extend([quick]);
        kafka
    }

    pub(crate) async fn go(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop().await;
        }
    }

    /// Comes back as it was.
    pub(crate) async fn come_back(&mut self) {
        let address = self.bootstrap.parse().expect("an address");
        let broker = EmbeddedBroker::start(self.folder.path(), address).await;
        self.broker = Some(broker.expect("a broker at the same address"));
    }

    /// Comes back with nothing of what it had.
    pub(crate) async fn come_back_empty(&mut self) {
        self.folder = tempfile::tempdir().expect("a folder");
        self.come_back().await;
    }

    pub(crate) async fn create(&self, feed: &str, partitions: i32) {
        let admin = Admin::new(&self.kafka()).expect("settings");
        let settings = TopicSettings::compacted(partitions);
        let creating = async {
            loop {
                // A machine that is busy with other tests answers when it can.
                match admin.ensure_topic_with(feed, &settings).await {
                    Err(BusError::Retry { .. }) => {}
                    made => return made.expect("created"),
                }
            }
        };
        let made = tokio::time::timeout(PATIENCE, creating).await.expect("created in time");
        assert_eq!(made.partitions, partitions);
    }

    pub(crate) fn writer(&self) -> Writer {
        let limits = ProducerLimits { queue_bytes: 8 << 20, linger: Duration::ZERO };
        let producer = Producer::new(&self.kafka(), limits).expect("settings");
        Writer { producer, partitions: 1, sent: BTreeMap::new(), rows: BTreeMap::new() }
    }
}

/// Writes to feeds and knows what they hold.
pub(crate) struct Writer {
    producer: Producer,
    pub(crate) partitions: i32,
    sent: BTreeMap<String, i64>,
    rows: BTreeMap<String, Rows>,
}

impl Writer {
    /// Writes rows (`None` deletes), waits until the broker has them.
    pub(crate) async fn write(&mut self, feed: &str, rows: &[(u32, Option<u32>)]) {
        let mut records = Vec::new();
        for (key, value) in rows {
            let key_text = format!("{{\"id\":{key}}}");
            let value = value.map(|value| format!("{{\"id\":{key},\"v\":{value}}}"));
            let held = self.rows.entry(feed.to_owned()).or_default();
            match value.clone() {
                Some(value) => held.insert(key_text.clone(), value),
                None => held.remove(&key_text),
            };
            let partition = i32::try_from(*key).expect("small") % self.partitions;
            records.push(Outgoing {
                topic: feed.into(),
                partition: Some(PartitionId(partition)),
                key: Some(key_text.into()),
                value: value.map(Bytes::from),
                headers: Vec::new(),
                timestamp_ms: None,
            });
        }
        *self.sent.entry(feed.to_owned()).or_default() +=
            i64::try_from(records.len()).expect("few");
        for result in self.producer.send(records).await {
            result.expect("acknowledged");
        }
    }

    pub(crate) fn rows(&self, feed: &str) -> Rows {
        self.rows.get(feed).cloned().unwrap_or_default()
    }

    pub(crate) fn sent(&self, feed: &str) -> i64 {
        self.sent.get(feed).copied().unwrap_or(0)
    }
}

/// A view that keeps the rows as text, and how often it was begun again.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) rows: Arc<Mutex<Rows>>,
}

struct TextView {
    feed: String,
    seen: Seen,
}

impl View for TextView {
    fn feed(&self) -> &str {
        &self.feed
    }

    fn reset(&mut self) {
        self.seen.rows.lock().expect("it works in a test").clear();
    }

    fn apply(&mut self, changes: &[Change]) {
        let mut rows = self.seen.rows.lock().expect("it works in a test");
        for change in changes {
            let key = text(&change.key);
            match &change.row {
                Some(row) => rows.insert(key, text(row)),
                None => rows.remove(&key),
            };
        }
    }
}

impl Seen {
    pub(crate) fn view(&self, feed: &str) -> Box<dyn View> {
        Box::new(TextView { feed: feed.to_owned(), seen: self.clone() })
    }

    pub(crate) fn get(&self) -> Rows {
        self.rows.lock().expect("it works in a test").clone()
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("JSON")
}

pub(crate) fn open(dir: &Path) -> FeedStore {
    let Opened { store, rebuilt } = FeedStore::open(dir).expect("a store");
    assert!(!rebuilt, "nothing was wrong with it");
    store
}

pub(crate) fn stored(store: &FeedStore, feed: &str) -> Rows {
    let row = |found: Result<(Bytes, Bytes), _>| {
        let (key, row) = found.expect("readable");
        (text(&key), text(&row))
    };
    store.scan(feed).map(row).collect()
}

pub(crate) fn follow(
    kafka: KafkaSettings,
    store: &FeedStore,
    feeds: &[&str],
    views: Vec<Box<dyn View>>,
) -> Follower {
    let mut settings = FollowerSettings::new(kafka);
    settings.feeds = feeds.iter().map(|feed| (*feed).to_owned()).collect();
    settings.ask_every = Duration::from_millis(50);
    let clock = Arc::new(SystemClock::default());
    Follower::start(settings, store.clone(), views, clock).expect("started")
}

/// Waits until a feed's status is as wanted.
pub(crate) async fn until(
    follower: &Follower,
    feed: &str,
    wanted: impl Fn(&FeedStatus) -> bool,
) -> FeedStatus {
    let looking = async {
        loop {
            let status = follower.statuses().of(feed).expect("followed");
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("never so: {:?}", follower.statuses().of(feed)))
}

/// Waits until `offsets` records were taken.
pub(crate) async fn taken(follower: &Follower, feed: &str, offsets: i64) -> FeedStatus {
    until(follower, feed, |s| s.caught_up && s.next.values().sum::<i64>() == offsets).await
}
