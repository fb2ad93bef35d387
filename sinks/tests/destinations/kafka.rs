//! The Kafka delivery against a broker.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, Consumer, FetchLimits, KafkaSettings, ProducerLimits};
use millrace_events::{Header, Offset, TopicPartition};
use millrace_sinks::{
    Delivery, KafkaDelivery, KafkaDeliverySettings, ROW_HEADER, SinkBatch, SinkError,
};

use crate::rows::{columns, raw, route};

pub(crate) fn settings(kafka: KafkaSettings, topic: &str) -> KafkaDeliverySettings {
    KafkaDeliverySettings {
        route: route(),
        kafka,
        limits: ProducerLimits { queue_bytes: 4 << 20, linger: Duration::from_millis(2) },
        topic: topic.to_owned(),
        key: None,
        id: None,
    }
}

/// A new topic; its name.
pub(crate) async fn topic(broker: &TestBroker, partitions: i32) -> String {
    let topic = broker.topic("out");
    let admin = Admin::new(&broker.settings()).expect("settings are fine");
    assert_eq!(admin.ensure_topic(&topic, partitions).await.expect("creates"), partitions);
    topic
}

/// A record as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
    pub(crate) timestamp_ms: i64,
}

impl Read {
    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.iter().find(|h| h.name == name).and_then(|h| h.value.clone());
        String::from_utf8(value.unwrap_or_default().to_vec()).expect("text")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("no tombstone")).expect("text")
    }
}

/// Everything in `topic`, per partition in order.
pub(crate) async fn read(broker: &TestBroker, topic: &str) -> Vec<Read> {
    let kafka = broker.settings();
    let admin = Admin::new(&kafka).expect("settings are fine");
    let partitions = admin.partitions(topic).await.expect("is asked").expect("is there");
    let mut open = BTreeMap::new();
    let mut expected = 0;
    for partition in 0..partitions {
        let tp = TopicPartition::new(topic, partition);
        let (low, high) = admin.watermarks(&tp).await.expect("is asked");
        if low < high {
            open.insert(tp, high);
            expected += usize::try_from(high.0 - low.0).expect("a length");
        }
    }
    let reading = tokio::task::spawn_blocking(move || drain(&kafka, open));
    let found = reading.await.expect("reads");
    // No transactions, no compaction: every offset holds a record.
    assert!(found.len() >= expected, "{topic}: {expected} records, {} read", found.len());
    found
}

fn drain(kafka: &KafkaSettings, mut open: BTreeMap<TopicPartition, Offset>) -> Vec<Read> {
    let limits = FetchLimits { queue_bytes: 8 << 20, batch_bytes: 1 << 20 };
    let mut consumer = Consumer::manual(kafka, limits).expect("settings are fine");
    for tp in open.keys() {
        consumer.start_at(tp, None).expect("starts");
    }
    let mut found = Vec::new();
    while !open.is_empty() {
        for batch in consumer.poll(Duration::from_millis(100)).expect("polls") {
            for record in (0..batch.len()).map(|row| batch.record(row)) {
                found.push(Read {
                    partition: batch.tp().partition.0,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers.to_vec(),
                    timestamp_ms: record.timestamp_ms,
                });
            }
            if open.get(batch.tp()).is_some_and(|high| batch.range().next >= *high) {
                open.remove(batch.tp());
            }
        }
    }
    found
}

async fn send(
    settings: &KafkaDeliverySettings,
    batches: impl IntoIterator<Item = SinkBatch>,
) -> Result<(), SinkError> {
    let mut delivery = KafkaDelivery::new(settings.clone()).expect("settings are fine");
    for batch in batches {
        let row = batch.progress.range.from.0.cast_unsigned();
        delivery.deliver(&batch, row).await?;
    }
    delivery.flush().await?;
    assert_eq!(delivery.pending_bytes(), 0);
    Ok(())
}

fn header(name: &str, value: &'static [u8]) -> Header {
    Header { name: name.to_owned(), value: Some(Bytes::from_static(value)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_records_pass_byte_for_byte_and_carry_an_id() {
    let broker = TestBroker::start().await;
    let topic = topic(&broker, 1).await;
    let own = [
        header("ce_id", b"abc"),
        header("x", b"\x00\xff"),
        Header { name: "x".to_owned(), value: None },
    ];
    let other = [header("trace", b"1")];
    let records = [
        (Some(b"k\xff".as_slice()), Some(b"{\"not\" json\xff".as_slice()), own.as_slice()),
        (None, Some(b""), &other),
        (Some(b""), None, &[]),
    ];
    send(&settings(broker.settings(), &topic), [raw(40, &records)]).await.expect("delivers");

    let found = read(&broker, &topic).await;
    let with_id = |headers: &[Header], id| [headers, &[header("ce_id", id)]].concat();
    let expected_headers =
        [own.to_vec(), with_id(&other, b"clicks/3/41"), with_id(&[], b"clicks/3/42")];
    assert_eq!(found.len(), 3);
    for (i, (key, value, _)) in records.iter().enumerate() {
        assert_eq!(found[i].key.as_deref(), *key, "{i}");
        assert_eq!(found[i].value.as_deref(), *value, "{i}");
        assert_eq!(found[i].headers, expected_headers[i], "{i}");
        assert_eq!(found[i].timestamp_ms, 1_700_000_000_040 + i64::try_from(i).expect("small"));
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_become_objects_with_key_id_and_row() {
    let broker = TestBroker::start().await;
    let topic = topic(&broker, 1).await;
    let mut settings = settings(broker.settings(), &topic);
    settings.key = Some("n".to_owned());
    settings.id = Some("id".to_owned());
    send(&settings, [columns(4, 6), columns(6, 7)]).await.expect("delivers");
    let found = read(&broker, &topic).await;
    let seen: Vec<_> = found
        .iter()
        .map(|read| {
            let key = String::from_utf8(read.key.clone().expect("keyed")).expect("text");
            (key, read.text().to_owned(), read.header("ce_id"), read.header(ROW_HEADER))
        })
        .collect();
    let row = |key: &str, value: &str, id: &str, row: &str| {
        (key.to_owned(), value.to_owned(), id.to_owned(), row.to_owned())
    };
    assert_eq!(
        seen,
        [
            row("4", r#"{"id":"e4","n":4}"#, "e4", "orders/clicks/3/4"),
            row("5", r#"{"n":5}"#, "orders/clicks/3/5", "orders/clicks/3/5"),
            row("6", r#"{"id":"e6","n":6}"#, "e6", "orders/clicks/3/6"),
        ],
        "a row without an id is known by its place"
    );

    settings.key = Some("m".to_owned());
    match send(&settings, [columns(0, 3)]).await {
        Err(SinkError::Rejected { what }) => {
            assert!(what.contains("`m`") && what.contains("id, n"));
        }
        other => panic!("expected Rejected, got {other:?}"),
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_stays_in_one_partition_and_in_order_through_a_full_queue() {
    let broker = TestBroker::start().await;
    let topic = topic(&broker, 4).await;
    let mut settings = settings(broker.settings(), &topic);
    settings.limits.queue_bytes = 64 << 10;
    let keys: Vec<_> = (0..16).map(|key: u32| key.to_be_bytes()).collect();
    let values: Vec<_> =
        (0..4000_u32).map(|n| [&n.to_be_bytes(), &[7_u8; 200][..]].concat()).collect();
    let id = [header("ce_id", b"x")];
    let records: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(n, value)| (Some(&keys[n % 16][..]), Some(&value[..]), &id[..]))
        .collect();
    send(&settings, records.chunks(1000).map(|chunk| raw(0, chunk))).await.expect("delivers");

    let found = read(&broker, &topic).await;
    assert_eq!(found.len(), 4000, "once each");
    let mut lanes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for read in found {
        let number = read.value.expect("no tombstone")[..4].to_vec();
        lanes.entry(read.key).or_default().push((read.partition, number));
    }
    assert_eq!(lanes.len(), 16);
    for (key, lane) in &lanes {
        assert!(lane.iter().all(|(p, _)| *p == lane[0].0), "{key:?} is in one partition");
        assert!(lane.is_sorted_by_key(|(_, number)| number), "{key:?} is in order");
    }
    let used: std::collections::BTreeSet<_> = lanes.values().map(|lane| lane[0].0).collect();
    assert!(used.len() > 1, "keys are spread");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_the_broker_will_never_take_stops_the_route() {
    let broker = TestBroker::start().await;
    let topic = topic(&broker, 1).await;
    let settings = settings(broker.settings(), &topic);
    let huge = vec![b'x'; 3 << 20];
    match send(&settings, [raw(0, &[(None, Some(&huge), &[])])]).await {
        Err(SinkError::Rejected { what }) => assert!(what.contains(&topic), "{what}"),
        other => panic!("expected Rejected, got {other:?}"),
    }
    assert_eq!(read(&broker, &topic).await, []);
    broker.stop().await;
}

#[test]
fn settings_do_not_show_secrets() {
    let mut kafka = KafkaSettings::plain("127.0.0.1:1");
    kafka.properties.insert("sasl.password".to_owned(), "hunter2".to_owned());
    let shown = format!("{:?}", settings(kafka, "out"));
    assert!(shown.contains("127.0.0.1:1") && !shown.contains("hunter2"), "{shown}");
}
