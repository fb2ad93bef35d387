//! From feeds of a real broker to answers, and what happens when something of it goes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_bus::{Admin, EmbeddedBroker, KafkaSettings, Producer, ProducerLimits, TopicSettings};
use millrace_events::{Outgoing, SystemClock, Transport};
use millrace_feeds::{FeedStore, FollowerSettings};
use millrace_steering::feeds::{APPLIANCES, FILES, ROUTES, StaleReason};
use millrace_steering::fleet::Fleet;
use millrace_steering::{Service, ServiceSettings};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A test that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

struct Stand {
    address: SocketAddr,
    broker: Option<EmbeddedBroker>,
    folder: TempDir,
}

impl Stand {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = EmbeddedBroker::start(folder.path(), listen).await.unwrap();
        let stand = Self { address: broker.address(), broker: Some(broker), folder };
        stand.create().await;
        stand
    }

    fn kafka(&self) -> KafkaSettings {
        let mut kafka = KafkaSettings::plain(self.address.to_string());
        let quick = ("reconnect.backoff.max.ms".to_owned(), "200".to_owned());
        kafka.properties.extend([quick]);
        kafka
    }

    async fn create(&self) {
        let admin = Admin::new(&self.kafka()).unwrap();
        for feed in [APPLIANCES, ROUTES, FILES] {
            admin.ensure_topic_with(feed, &TopicSettings::compacted(2)).await.unwrap();
        }
    }

    async fn write(&self, rows: Vec<(&str, Value, Option<Value>)>) {
        let limits = ProducerLimits { queue_bytes: 8 << 20, linger: Duration::ZERO };
        let producer = Producer::new(&self.kafka(), limits).unwrap();
        let record = |(feed, key, row): (&str, Value, Option<Value>)| Outgoing {
            topic: feed.into(),
            partition: None,
            key: Some(key.to_string().into()),
            value: row.map(|row| Bytes::from(row.to_string())),
            headers: Vec::new(),
            timestamp_ms: None,
        };
        for sent in producer.send(rows.into_iter().map(record).collect()).await {
            sent.unwrap();
        }
    }

    /// Serves three appliances; whom it names.
    async fn serve_three(&self, folder: &Path) -> (Service, Vec<String>) {
        let (service, _) = self.serve(folder);
        self.write(three()).await;
        until(&service, "all are named", |fleet| {
            named(fleet).len() == 3 && fleet.routes.prefixes() == 1
        })
        .await;
        let known = named(&service.desk().fleet());
        (service, known)
    }

    fn serve(&self, folder: &Path) -> (Service, bool) {
        let opened = FeedStore::open(folder).unwrap();
        let mut follower = FollowerSettings::new(self.kafka());
        follower.ask_every = Duration::from_millis(50);
        let settings = ServiceSettings { follower, asn: Arc::default(), min_headroom_mbps: 100.0 };
        let clock = Arc::new(SystemClock::default());
        (Service::start(settings, opened.store, clock).unwrap(), opened.rebuilt)
    }
}

fn appliance(id: &str, healthy: bool) -> (&'static str, Value, Option<Value>) {
    let row = json!({"oca_id": id, "healthy": healthy, "score": 0.9, "headroom_mbps": 5000.0,
        "site": "ams1", "asn": 64500, "country": "NL", "latitude": 52.3, "longitude": 4.9,
        "base_url": format!("https://{id}.example"), "last_report": "2026-01-01T00:00:00Z"});
    (APPLIANCES, json!({"oca_id": id}), Some(row))
}

fn route(id: &str, prefix: &str, there: bool) -> (&'static str, Value, Option<Value>) {
    let row = json!({"oca_id": id, "prefix": prefix});
    (ROUTES, row.clone(), there.then_some(row))
}

fn file(id: &str, file: &str, there: bool) -> (&'static str, Value, Option<Value>) {
    let row = json!({"oca_id": id, "file_id": file});
    (FILES, row.clone(), there.then_some(row))
}

fn three() -> Vec<(&'static str, Value, Option<Value>)> {
    let mut rows = Vec::new();
    for id in ["oca-a", "oca-b", "oca-c"] {
        rows.extend([appliance(id, true), file(id, "film", true)]);
    }
    rows.push(route("oca-a", "198.51.100.0/24", true));
    rows
}

/// Who a client of 198.51.100.7 is sent to for `film`.
fn named(fleet: &Fleet) -> Vec<String> {
    let client = fleet.client("198.51.100.7".parse().unwrap());
    let ranked = client.rank("film").unwrap_or_default();
    ranked.iter().map(|r| client.appliance(r.no).id.to_string()).collect()
}

/// Waits until the fleet is as wanted.
async fn until(service: &Service, what: &str, wanted: impl Fn(&Fleet) -> bool) {
    let desk = service.desk();
    let looking = async {
        while !wanted(&desk.fleet()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("never so: {what}: {:?}", named(&desk.fleet())));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_follow_the_feeds() {
    let stand = Stand::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (service, _) = stand.serve(folder.path());
    stand.write(three()).await;
    until(&service, "all are named", |fleet| {
        let named = named(fleet);
        named.len() == 3 && named[0] == "oca-a"
    })
    .await;
    stand.write(vec![appliance("oca-a", false)]).await;
    until(&service, "a dead one is not", |fleet| !named(fleet).contains(&"oca-a".into())).await;
    stand.write(vec![appliance("oca-a", true), route("oca-b", "198.51.100.0/25", true)]).await;
    until(&service, "the longer prefix comes first", |fleet| {
        let named = named(fleet);
        named.len() == 3 && named[..2] == ["oca-b", "oca-a"]
    })
    .await;
    stand.write(vec![route("oca-b", "198.51.100.0/25", false), file("oca-a", "film", false)]).await;
    until(&service, "what was withdrawn counts no more", |fleet| {
        let named = named(fleet);
        named.len() == 2 && fleet.routes.prefixes() == 1
    })
    .await;
    // Rows that make no sense are counted, and nothing else suffers.
    stand
        .write(vec![
            (ROUTES, json!({"oca_id": "oca-b", "prefix": "300.0.0.0/8"}), Some(json!({}))),
            (APPLIANCES, json!({"oca_id": "oca-b"}), Some(json!({"healthy": "yes"}))),
            (FILES, json!(7), Some(json!(7))),
        ])
        .await;
    until(&service, "one that says nonsense serves nobody", |fleet| named(fleet) == ["oca-c"])
        .await;
    let desk = service.desk();
    let counted = tokio::time::timeout(PATIENCE, async {
        while desk.skipped() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    counted.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_that_was_known_is_served_while_the_broker_is_down_and_after_a_restart() {
    let mut stand = Stand::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (service, known) = stand.serve_three(folder.path()).await;
    stand.broker.take().unwrap().stop().await;
    assert_eq!(named(&service.desk().fleet()), known);
    service.stop().await;
    // Starts without a broker, from its own store.
    let (service, rebuilt) = stand.serve(folder.path());
    assert!(!rebuilt);
    assert_eq!(named(&service.desk().fleet()), known);
    let desk = service.desk();
    let stale = desk.freshness().stale(0, Some(0), Duration::from_secs(15));
    assert_eq!(stale.map(|stale| stale.reason), Some(StaleReason::FeedSilent));
    // The broker comes back as it was, and goes on.
    let broker = EmbeddedBroker::start(stand.folder.path(), stand.address).await.unwrap();
    stand.broker = Some(broker);
    stand.write(vec![appliance("oca-a", false)]).await;
    until(&service, "news arrive", |fleet| named(fleet).len() == 2).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_that_are_gone_leave_the_last_that_was_known() {
    let mut stand = Stand::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (service, known) = stand.serve_three(folder.path()).await;
    // A broker without any topics takes its place.
    stand.broker.take().unwrap().stop().await;
    stand.folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(stand.folder.path(), stand.address).await.unwrap();
    stand.broker = Some(broker);
    let desk = service.desk();
    let gone = tokio::time::timeout(PATIENCE, async {
        while desk.freshness().exists {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    gone.await.unwrap();
    assert_eq!(named(&desk.fleet()), known);
    stand.create().await;
    stand.write(vec![appliance("oca-a", true), file("oca-a", "film", true)]).await;
    until(&service, "the new feeds count", |fleet| named(fleet).contains(&"oca-a".into())).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_is_built_again_from_the_feeds() {
    let stand = Stand::start().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("feeds");
    let (service, _) = stand.serve(&dir);
    stand.write(three()).await;
    until(&service, "all are named", |fleet| {
        named(fleet).len() == 3 && fleet.routes.prefixes() == 1
    })
    .await;
    let known = named(&service.desk().fleet());
    service.stop().await;
    overwrite(&dir);
    let (service, rebuilt) = stand.serve(&dir);
    assert!(rebuilt);
    until(&service, "all is back", |fleet| named(fleet) == known && fleet.routes.prefixes() == 1)
        .await;
    service.stop().await;
}

/// Overwrites every file below `dir` with noise of its length.
fn overwrite(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            overwrite(&path);
        } else {
            let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            fs::write(&path, vec![0xa5; length]).unwrap();
        }
    }
}
