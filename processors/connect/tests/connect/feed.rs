//! Feeds: whoever reads to the end sees the latest row of each key.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_bus::{Consumer, ProducerLimits};
use millrace_connect::{Feed, FeedSettings};
use millrace_events::TopicPartition;
use millrace_processors::connector::{ConnectorError, Prepared, SinkFactory};
use millrace_processors::{Batch, RowKind};

use crate::place::{FETCH, PRODUCER, Stream, rows};

fn settings(stream: &Stream) -> FeedSettings {
    FeedSettings {
        kafka: stream.broker.settings(),
        limits: PRODUCER,
        topic: stream.schema.topic.clone(),
        key: vec!["id".to_owned()],
    }
}

type Record = (String, Option<String>);

/// The first `count` records of the feed, by partition in their order.
fn records(stream: &Stream, count: usize) -> Vec<Record> {
    let mut consumer = Consumer::manual(&stream.broker.settings(), FETCH).expect("plain settings");
    for partition in 0..stream.schema.partitions {
        let tp = TopicPartition::new(stream.schema.topic.as_str(), partition);
        consumer.start_at(&tp, None).expect("starts");
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut found = Vec::new();
    while found.len() < count {
        for batch in consumer.poll(Duration::from_millis(100)).expect("polls") {
            found.extend((0..batch.len()).map(|row| {
                let record = batch.record(row);
                (text(record.key.expect("every record has a key")), record.value.map(text))
            }));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changelog_becomes_the_latest_row_per_key() {
    let stream = Stream::new(3).await;
    let feed = Feed::new(settings(&stream)).expect("accepted");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    writer.write(Batch::append(rows(0..30))).await.expect("writes");
    let kinds = [RowKind::Delete, RowKind::UpdateBefore, RowKind::UpdateAfter];
    writer.write(Batch::changes(rows(6..9), &kinds)).await.expect("writes");
    assert_eq!(writer.prepare(1).await.expect("drains"), Prepared::Null);
    // Everything is there when `prepare` returns: the feed is read without waiting for more.
    let records = tokio::task::block_in_place(|| records(&stream, 32));
    assert_eq!(records.len(), 32, "an update-before says nothing");
    let latest: BTreeMap<_, _> = records.into_iter().collect();
    assert_eq!(latest.len(), 30);
    assert_eq!(latest[r#"{"id":6}"#], None, "deleted");
    let value = |id: i64| latest[&format!("{{\"id\":{id}}}")].as_deref();
    assert_eq!(value(3), Some(r#"{"id":3}"#), "null columns are left out");
    assert_eq!(value(8), Some(r#"{"id":8,"place":"plain"}"#));
    assert_eq!(value(10), Some(r#"{"id":10,"place":"a/b c%=ä"}"#));
    feed.committer(1).await.expect("opens").commit(1, vec![]).await.expect("nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_waited_for() {
    let stream = Stream::new(1).await;
    let limits = ProducerLimits { queue_bytes: 1024, ..PRODUCER };
    let feed = Feed::new(FeedSettings { limits, ..settings(&stream) }).expect("accepted");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    writer.write(Batch::append(rows(0..500))).await.expect("writes");
    writer.prepare(1).await.expect("drains");
    let records = tokio::task::block_in_place(|| records(&stream, 500));
    let keys: Vec<_> = records.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, (0..500).map(|id| format!("{{\"id\":{id}}}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_refuses_what_it_cannot_take() {
    let stream = Stream::new(1).await;
    let keyless = Feed::new(FeedSettings { key: vec![], ..settings(&stream) });
    let Err(ConnectorError::Rejected(what)) = keyless else { panic!("a feed needs a key") };
    assert!(what.contains("key"), "{what}");
    let settings = FeedSettings { key: vec!["nobody".to_owned()], ..settings(&stream) };
    let feed = Feed::new(settings).expect("accepted");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    let written = writer.write(Batch::append(rows(0..1))).await;
    let Err(ConnectorError::Rejected(what)) = written else { panic!("{written:?}") };
    assert!(what.contains("nobody"), "{what}");
}
