//! Topics: created by many clients at once, with settings that can be read back.

use std::time::Duration;

use tokio::task::JoinSet;

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, TopicSettings, TopicState};

const CLIENTS: usize = 12;
const TOPICS_EACH: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_create_topics_at_once() {
    let broker = TestBroker::start().await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let admin = Admin::new(&broker.settings()).expect("a client");
        let topics: Vec<_> = (0..TOPICS_EACH).map(|_| broker.topic("many")).collect();
        clients.spawn(async move {
            for topic in topics {
                assert_eq!(admin.ensure_topic(&topic, 3).await.expect("created"), 3);
                assert_eq!(admin.partitions(&topic).await.expect("asked"), Some(3));
            }
        });
    }
    clients.join_all().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_has_the_settings_it_was_created_with() {
    let broker = TestBroker::start().await;
    let admin = Admin::new(&broker.settings()).expect("a client");
    let hour = Some(Duration::from_hours(1));
    for wanted in [
        TopicSettings { partitions: 2, retention: hour, compacted: false },
        TopicSettings { partitions: 1, retention: Some(Duration::MAX), compacted: false },
        TopicSettings { partitions: 3, retention: hour, compacted: true },
        TopicSettings::compacted(1),
        TopicSettings::plain(1),
    ] {
        let topic = broker.topic("settings");
        let created = admin.ensure_topic_with(&topic, &wanted).await.expect("created");
        let TopicSettings { partitions, compacted, .. } = wanted;
        // What is left to the broker is the broker's to say.
        let retention = wanted.retention.or(created.retention);
        assert_eq!(created, TopicState { created: true, partitions, retention, compacted });
        assert_eq!(created.differences(&wanted, "the stream"), Vec::<String>::new());
        let found = admin.ensure_topic_with(&topic, &wanted).await.expect("is there");
        assert_eq!(found, TopicState { created: false, ..created });
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_there_is_left_as_it_was() {
    let broker = TestBroker::start().await;
    let admin = Admin::new(&broker.settings()).expect("a client");
    let topic = broker.topic("plain");
    assert_eq!(admin.ensure_topic(&topic, 2).await.expect("created"), 2);
    let wanted = TopicSettings::compacted(4);
    for _ in 0..2 {
        let state = admin.ensure_topic_with(&topic, &wanted).await.expect("is there");
        assert_eq!(
            state.differences(&wanted, "the stream"),
            ["has 2 partitions, the stream says 4", "is not compacted, the stream says compacted"]
        );
    }
    broker.stop().await;
}

#[test]
fn differences_are_said_in_words() {
    let day = Duration::from_hours(24);
    let is = |partitions, retention, compacted| TopicState {
        created: false,
        partitions,
        retention,
        compacted,
    };
    let plain = TopicSettings::plain(4);
    let kept = TopicSettings { retention: Some(day), ..plain.clone() };
    let for_ever = TopicSettings { retention: Some(Duration::MAX), ..plain.clone() };
    let feed = TopicSettings::compacted(4);
    let none: &[&str] = &[];
    for (is, wanted, said) in [
        (is(4, None, false), &plain, none),
        (is(4, Some(day), false), &plain, none),
        (is(2, None, false), &plain, &["has 2 partitions, the stream says 4"]),
        (is(1, None, false), &plain, &["has 1 partition, the stream says 4"]),
        (is(4, Some(day), false), &kept, none),
        (is(4, Some(Duration::MAX), false), &for_ever, none),
        (
            is(4, Some(Duration::from_mins(90)), false),
            &kept,
            &["keeps records for 90 min, the stream says for 1 d"],
        ),
        (
            is(4, None, false),
            &for_ever,
            &["keeps records as long as the broker likes, the stream says for ever"],
        ),
        (is(4, None, true), &plain, &["is compacted, the stream says not compacted"]),
        (
            is(3, None, false),
            &feed,
            &["has 3 partitions, the stream says 4", "is not compacted, the stream says compacted"],
        ),
    ] {
        assert_eq!(is.differences(wanted, "the stream"), said, "{is:?} {wanted:?}");
    }
}
