//! Brokers that go, topics that are created again, stores that cannot be read.

use std::fs;
use std::path::{Path, PathBuf};

use millrace_feeds::{FeedError, FeedStore};

use crate::stand::{Seen, Stand, follow, open, stored, taken, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_leaves_the_rows_and_is_found_again() {
    let mut stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    writer.write("titles", &[(1, Some(1)), (2, Some(2))]).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view("titles")]);
    taken(&follower, "titles", 2).await;
    stand.go().await;
    let status = until(&follower, "titles", |s| s.error.is_some()).await;
    assert!(status.error.unwrap().contains("does not answer"));
    assert_eq!(status.records, 2);
    assert_eq!(seen.get(), writer.rows("titles"), "served all the while");
    stand.come_back().await;
    writer.write("titles", &[(1, None), (3, Some(3))]).await;
    let status = taken(&follower, "titles", 4).await;
    assert_eq!(seen.get(), writer.rows("titles"));
    assert!(!status.rebuilding, "it went on where it was");
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_created_again_replaces_the_rows_once_it_was_read() {
    let mut stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    let rows: Vec<_> = (0..20).map(|key| (key, Some(1))).collect();
    writer.write("titles", &rows).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view("titles")]);
    taken(&follower, "titles", 20).await;
    stand.go().await;
    stand.come_back_empty().await;
    let status = until(&follower, "titles", |s| s.end.is_empty()).await;
    assert!(status.error.unwrap().contains("no topic"));
    stand.create("titles", 1).await;
    until(&follower, "titles", |s| s.rebuilding).await;
    assert_eq!(seen.get(), writer.rows("titles"), "an empty topic replaces nothing");
    let mut again = stand.writer();
    again.write("titles", &[(3, Some(2)), (50, Some(2)), (4, None)]).await;
    let status = until(&follower, "titles", |s| s.caught_up && !s.rebuilding).await;
    assert_eq!(status.records, 2);
    assert_eq!(seen.get(), again.rows("titles"), "what the new topic does not have is gone");
    assert_eq!(stored(&store, "titles"), again.rows("titles"));
    let changes = store.changes("titles", &[].into(), 100).unwrap().expect("held");
    assert_eq!((changes.items.len(), changes.generation), (3, 1), "{changes:?}");
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_rebuild_ends_it() {
    let mut stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    writer.write("titles", &[(1, Some(1)), (2, Some(1)), (3, Some(1))]).await;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
    taken(&follower, "titles", 3).await;
    stand.go().await;
    stand.come_back_empty().await;
    stand.create("titles", 1).await;
    until(&follower, "titles", |s| s.rebuilding).await;
    follower.stop().await;
    drop(store);
    let mut again = stand.writer();
    again.write("titles", &[(2, Some(9))]).await;
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view("titles")]);
    until(&follower, "titles", |s| s.caught_up && !s.rebuilding).await;
    assert_eq!(seen.get(), again.rows("titles"));
    assert_eq!(stored(&store, "titles"), again.rows("titles"));
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_is_moved_aside_and_built_again() {
    let stand = Stand::start().await;
    stand.create("titles", 1).await;
    let mut writer = stand.writer();
    let rows: Vec<_> = (0..500).map(|key| (key, Some(key))).collect();
    writer.write("titles", &rows).await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("feeds");
    for (round, spoil) in [spoil_all, spoil_version].into_iter().enumerate() {
        {
            let store = FeedStore::open(&dir).unwrap().store;
            let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
            taken(&follower, "titles", 500).await;
            follower.stop().await;
        }
        spoil(&dir);
        let opened = FeedStore::open(&dir).expect("begun again");
        assert!(opened.rebuilt, "round {round}");
        assert!(folder.path().join("feeds.unreadable-1").is_dir());
        assert_eq!(stored(&opened.store, "titles").len(), 0);
        let seen = Seen::default();
        let follower = follow(stand.kafka(), &opened.store, &[], vec![seen.view("titles")]);
        taken(&follower, "titles", 500).await;
        assert_eq!(seen.get(), writer.rows("titles"));
        follower.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = FeedStore::open(folder.path()).err().expect("refused");
    assert!(matches!(error, FeedError::InUse { .. }), "{error}");
    assert_eq!(store.names(), Vec::<String>::new());
    assert!(folder.path().exists());
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("it works in a test") {
        let path = entry.expect("it works in a test").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Overwrites every file with something else.
fn spoil_all(dir: &Path) {
    for path in files(dir) {
        let length = fs::metadata(&path).expect("it works in a test").len();
        fs::write(&path, vec![0xA5; usize::try_from(length).expect("it works in a test")])
            .expect("it works in a test");
    }
}

/// The marker of the store's format says something else.
fn spoil_version(dir: &Path) {
    let is_marker = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "version");
    let all = files(dir);
    let marker = all.iter().find(is_marker).expect("the store has a marker of its format");
    fs::write(marker, b"not a version").expect("it works in a test");
}
