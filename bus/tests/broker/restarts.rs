//! The embedded broker keeps what it acknowledged, however it ends.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{LIMITS, expected, read_to, texts};
use millrace_bus::{Admin, BusError, Consumer, EmbeddedBroker, EnqueueError, KafkaSettings};
use millrace_bus::{Producer, ProducerLimits, TopicSettings};
use millrace_events::{Offset, Outgoing, PartitionId, TopicPartition, Transport};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn producer(settings: &KafkaSettings) -> Producer {
    let limits = ProducerLimits { queue_bytes: 1 << 20, linger: Duration::from_millis(2) };
    Producer::new(settings, limits).unwrap()
}

fn numbered(topic: &str, number: usize) -> Outgoing {
    Outgoing {
        topic: topic.into(),
        partition: Some(PartitionId(0)),
        key: None,
        value: Some(format!("{number:08}").into_bytes().into()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

/// Everything in partition 0, which must hold `count` records.
fn everything(settings: &KafkaSettings, topic: &str, count: usize) -> Vec<(i64, String)> {
    let tp = TopicPartition::new(topic, 0);
    let mut consumer = Consumer::manual(settings, LIMITS).unwrap();
    let from = consumer.start_at(&tp, None).unwrap();
    texts(&read_to(&mut consumer, &tp, from, Offset(i64::try_from(count).unwrap())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_broker_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(dir.path(), ANY_PORT).await.unwrap();
    let (address, settings) =
        (broker.address(), KafkaSettings::plain(broker.address().to_string()));
    let admin = Admin::new(&settings).unwrap();
    admin.ensure_topic("kept", 2).await.unwrap();
    let compacted = TopicSettings::compacted(1);
    assert!(admin.ensure_topic_with("feed", &compacted).await.unwrap().created);
    let sender = producer(&settings);
    let send = async |numbers: std::ops::Range<usize>| {
        for outcome in sender.send(numbers.map(|n| numbered("kept", n)).collect()).await {
            outcome.unwrap();
        }
    };
    send(0..100).await;
    broker.stop().await;
    let broker = EmbeddedBroker::start(dir.path(), address).await.unwrap();
    // The same idempotent producer goes on: its sequence numbers were kept too.
    send(100..200).await;
    assert_eq!(Admin::new(&settings).unwrap().ensure_topic("kept", 7).await.unwrap(), 2);
    let feed = admin.ensure_topic_with("feed", &TopicSettings::plain(1)).await.unwrap();
    assert!(!feed.created && feed.compacted, "{feed:?}");
    let all = tokio::task::block_in_place(|| everything(&settings, "kept", 200));
    assert_eq!(all, expected(0..200));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_broker() {
    let dir = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(dir.path(), ANY_PORT).await.unwrap();
    let second = EmbeddedBroker::start(dir.path(), ANY_PORT).await;
    assert!(matches!(second, Err(BusError::Refused { what }) if what.contains("in use")));
    let address = broker.address();
    broker.stop().await;
    let broker = EmbeddedBroker::start(dir.path(), address).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let taken = EmbeddedBroker::start(other.path(), address).await;
    assert!(matches!(taken, Err(BusError::Refused { what }) if what.contains("cannot listen")));
    broker.stop().await;
}

/// Makes this test binary run as a broker: `<folder> <address>`.
const BROKER: &str = "MILLRACE_BUS_TEST_BROKER";

struct BrokerProcess {
    child: Child,
    address: SocketAddr,
}

impl BrokerProcess {
    fn start(dir: &Path, listen: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "restarts::what_was_acknowledged_survives_sigkill_once",
                "--nocapture",
            ])
            .env(BROKER, format!("{} {listen}", dir.display()))
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map(Result::unwrap).find_map(|l| l.strip_prefix("ready ")?.parse().ok());
        Self { child, address: ready.expect("the broker says where it listens") }
    }

    fn sigkill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn run_as_broker(argument: &str) {
    let (dir, listen) = argument.split_once(' ').unwrap();
    let broker = EmbeddedBroker::start(Path::new(dir), listen.parse().unwrap()).await.unwrap();
    println!("\nready {}", broker.address());
    // Ends when the test that started it ends, should that not kill it first.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_sigkill_once() {
    if let Ok(argument) = std::env::var(BROKER) {
        return run_as_broker(&argument).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start(dir.path(), ANY_PORT);
    let address = broker.address;
    let settings = KafkaSettings::plain(address.to_string());
    Admin::new(&settings).unwrap().ensure_topic("kept", 1).await.unwrap();
    let sender = producer(&settings);
    let mut sent = 0;
    for _ in 0..3 {
        // Some are acknowledged, many are on their way.
        let target = sent + 20_000;
        while sent < target || sender.outstanding() == 0 {
            match sender.try_enqueue((&numbered("kept", sent)).into()) {
                Ok(()) => sent += 1,
                Err(EnqueueError::Full) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
        broker.sigkill();
        broker = BrokerProcess::start(dir.path(), address);
    }
    sender.drained().await.unwrap();
    let all = tokio::task::block_in_place(|| everything(&settings, "kept", sent));
    assert!(all == expected(0..sent), "each of {sent} records once, in order");
    broker.sigkill();
}
