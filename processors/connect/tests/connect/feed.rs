//! Feeds: whoever reads to the end sees the latest row of each key.

use std::collections::BTreeMap;

use arrow::compute::concat_batches;
use millrace_bus::{Admin, ProducerLimits, TopicState};
use millrace_connect::{Feed, FeedSettings};
use millrace_processors::connector::{ConnectorError, Prepared, SinkFactory};
use millrace_processors::{Batch, RowKind};

use crate::place::{PRODUCER, Stream, records, rows};

fn settings(stream: &Stream) -> FeedSettings {
    FeedSettings {
        kafka: stream.broker.settings(),
        limits: PRODUCER,
        topic: stream.schema.topic.clone(),
        key: vec!["id".to_owned()],
    }
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
    // Everything is there when `prepare` returns.
    let records = records(&stream.broker, &stream.schema.topic, 3).await;
    assert_eq!(records.len(), 32, "an update-before says nothing");
    let latest: BTreeMap<_, _> = records.into_iter().collect();
    assert_eq!(latest.len(), 30);
    assert_eq!(latest[r#"{"id":6}"#], None, "deleted");
    let value = |id: i64| latest[&format!("{{\"id\":{id}}}")].as_deref();
    assert_eq!(value(3), Some(r#"{"id":3}"#), "null columns are left out");
    assert_eq!(value(8), Some(r#"{"id":8,"place":"plain"}"#));
    assert_eq!(value(10), Some(r#"{"id":10,"place":"a/b c%=ä"}"#));
    feed.committer(1).await.expect("opens").commit(1, &[], vec![]).await.expect("nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_that_a_batch_changes_twice_the_last_change_is_written() {
    let stream = Stream::new(1).await;
    let feed = Feed::new(settings(&stream)).expect("accepted");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    writer.write(Batch::append(rows(6..9))).await.expect("writes");
    // As a ranking says that 6 and 7 are elsewhere in it, and as what comes and goes at once.
    let parts = [rows(6..8), rows(9..10), rows(6..8), rows(9..10)];
    let changes = concat_batches(&parts[0].schema(), &parts).expect("one schema");
    let (delete, insert) = (RowKind::Delete, RowKind::Insert);
    let kinds = [delete, delete, insert, insert, insert, delete];
    writer.write(Batch::changes(changes, &kinds)).await.expect("writes");
    writer.prepare(1).await.expect("drains");
    let records = records(&stream.broker, &stream.schema.topic, 1).await;
    let after: Vec<_> = records[3..].iter().map(|(key, row)| (&**key, row.as_deref())).collect();
    let six = (r#"{"id":6}"#, Some(r#"{"id":6}"#));
    let seven = (r#"{"id":7}"#, Some(r#"{"id":7,"place":"a/b c%=ä"}"#));
    assert_eq!(after, [six, seven, (r#"{"id":9}"#, None)], "6 and 7 never look deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_waited_for() {
    let stream = Stream::new(1).await;
    let limits = ProducerLimits { queue_bytes: 1024, ..PRODUCER };
    let feed = Feed::new(FeedSettings { limits, ..settings(&stream) }).expect("accepted");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    writer.write(Batch::append(rows(0..500))).await.expect("writes");
    writer.prepare(1).await.expect("drains");
    let records = records(&stream.broker, &stream.schema.topic, 1).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_of_a_feed_is_compacted() {
    let stream = Stream::new(1).await;
    let admin = Admin::new(&stream.broker.settings()).expect("plain settings");
    let topic = stream.broker.topic("feed");
    let settings = FeedSettings { topic: topic.clone(), ..settings(&stream) };
    let feed = Feed::new(settings).expect("accepted");
    let state = feed.create_topic(&admin, 2).await.expect("is created");
    assert!(state.created && state.compacted && state.partitions == 2, "{state:?}");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    for kind in [RowKind::Insert, RowKind::UpdateAfter, RowKind::Delete] {
        writer.write(Batch::changes(rows(7..8), &[kind])).await.expect("writes");
    }
    writer.prepare(1).await.expect("drains");
    let records = records(&stream.broker, &topic, 2).await;
    let deleted: Vec<_> = records.iter().map(|(key, value)| (&**key, value.is_none())).collect();
    let key = r#"{"id":7}"#;
    assert_eq!(deleted, [(key, false), (key, false), (key, true)]);
    let again = feed.create_topic(&admin, 2).await.expect("is there");
    assert_eq!(again, TopicState { created: false, ..state });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_into_a_topic_that_is_not_compacted_is_allowed() {
    let stream = Stream::new(1).await;
    let admin = Admin::new(&stream.broker.settings()).expect("plain settings");
    let feed = Feed::new(settings(&stream)).expect("accepted");
    let state = feed.create_topic(&admin, 1).await.expect("is there");
    assert!(!state.created && !state.compacted, "{state:?}");
    let mut writer = feed.writer(0, 1).await.expect("opens");
    writer.write(Batch::append(rows(0..1))).await.expect("writes");
    writer.prepare(1).await.expect("drains");
    assert_eq!(records(&stream.broker, &stream.schema.topic, 1).await.len(), 1);
}
