//! What a follower holds, and where it goes on.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::stand::{Seen, Stand, follow, open, stored, taken, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_row_of_each_key_is_held_and_deletes_delete() {
    let stand = Stand::any().await;
    let feed = &*stand.feed("titles");
    stand.create(feed, 2).await;
    let mut writer = stand.writer();
    writer.partitions = 2;
    writer.write(feed, &[(1, Some(1)), (2, Some(1)), (1, Some(2)), (3, Some(1))]).await;
    writer.write(feed, &[(2, None), (4, Some(7)), (9, None)]).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view(feed)]);
    let status = taken(&follower, feed, writer.sent(feed)).await;
    assert_eq!(status.records, 3);
    assert_eq!(status.next, status.end, "{status:?}");
    assert!(status.heard_ms.is_some() && status.newest_ms.is_some());
    assert_eq!(status.error, None);
    assert_eq!(stored(&store, feed), writer.rows(feed));
    assert_eq!(seen.get(), writer.rows(feed));
    let row = store.get(feed, br#"{"id":1}"#).unwrap().expect("there");
    assert_eq!(&row[..], br#"{"id":1,"v":2}"#);
    assert_eq!(store.get(feed, br#"{"id":2}"#).unwrap(), None, "deleted");
    assert_eq!(store.get("others", br#"{"id":1}"#).unwrap(), None, "no such feed");
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_starts_from_the_store_without_a_broker() {
    let mut stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    writer.write("titles", &[(1, Some(1)), (2, Some(2)), (2, None), (3, Some(3))]).await;
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
        taken(&follower, "titles", 4).await;
        follower.stop().await;
    }
    stand.go().await;
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view("titles")]);
    assert_eq!(seen.get(), writer.rows("titles"), "before anything was heard");
    let status = follower.statuses().of("titles").unwrap();
    assert_eq!((status.records, status.caught_up, status.heard_ms), (2, false, None));
    stand.come_back().await;
    writer.write("titles", &[(5, Some(5))]).await;
    taken(&follower, "titles", 5).await;
    assert_eq!(seen.get(), writer.rows("titles"));
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_yet_is_waited_for() {
    let stand = Stand::any().await;
    let feed = &*stand.feed("late");
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let follower = follow(stand.kafka(), &store, &[feed], vec![]);
    let status = until(&follower, feed, |s| s.error.is_some()).await;
    assert!(status.error.unwrap().contains(&format!("no topic `{feed}`")));
    assert!(!status.caught_up && status.heard_ms.is_some());
    stand.create(feed, 3).await;
    let mut writer = stand.writer();
    writer.partitions = 3;
    writer.write(feed, &[(1, Some(1)), (2, Some(2)), (3, Some(3))]).await;
    let status = taken(&follower, feed, 3).await;
    assert_eq!((status.records, status.error), (3, None));
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_come_and_go_end_with_the_latest_rows() {
    let stand = Stand::any().await;
    let feed = &*stand.feed("history");
    stand.create(feed, 2).await;
    let mut writer = stand.writer();
    writer.partitions = 2;
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let row = (0_u32..40, proptest::option::weighted(0.8, 0_u32..1000));
    let rows = proptest::collection::vec(row, 1..60);
    for round in 0..8 {
        let rows = rows.new_tree(&mut runner).unwrap().current();
        let (store, seen) = (open(folder.path()), Seen::default());
        let follower = follow(stand.kafka(), &store, &[], vec![seen.view(feed)]);
        assert_eq!(seen.get(), stored(&store, feed), "round {round}");
        let part = rows.len() / 2;
        writer.write(feed, &rows[..part]).await;
        if round % 2 == 0 {
            let enough = writer.sent(feed) - i64::try_from(part / 2).unwrap();
            until(&follower, feed, |s| s.next.values().sum::<i64>() >= enough).await;
        }
        follower.stop().await;
        assert_eq!(seen.get(), stored(&store, feed), "views and store agree, round {round}");
        drop(store);
        writer.write(feed, &rows[part..]).await;
    }
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view(feed)]);
    let status = taken(&follower, feed, writer.sent(feed)).await;
    assert_eq!(stored(&store, feed), writer.rows(feed));
    assert_eq!(seen.get(), writer.rows(feed));
    assert_eq!(status.records, writer.rows(feed).len() as u64);
    follower.stop().await;
}
