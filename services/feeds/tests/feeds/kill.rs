//! A process that follows is killed at any moment; the next one goes on where it was.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use millrace_bus::KafkaSettings;

use crate::stand::{Seen, Stand, follow, open, stored, taken};

const NAME: &str = "kill::a_process_killed_at_any_moment_loses_and_repeats_nothing";
const BROKER: &str = "MILLRACE_FEEDS_TEST_BROKER";
const FEED: &str = "MILLRACE_FEEDS_TEST_FEED";
const FOLDER: &str = "MILLRACE_FEEDS_TEST_FOLDER";

/// This test's own binary, following until it is killed.
fn child(bootstrap: &str, feed: &str, folder: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().expect("it works in a test"))
        .args(["--exact", NAME, "--nocapture"])
        .env(BROKER, bootstrap)
        .env(FEED, feed)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process")
}

async fn follow_until_killed(bootstrap: String) {
    let folder = std::env::var(FOLDER).expect("it works in a test");
    let feed = std::env::var(FEED).expect("it works in a test");
    let store = open(folder.as_ref());
    let _follower = follow(KafkaSettings::plain(bootstrap), &store, &[&feed], vec![]);
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_moment_loses_and_repeats_nothing() {
    if let Ok(bootstrap) = std::env::var(BROKER) {
        return follow_until_killed(bootstrap).await;
    }
    let stand = Stand::any().await;
    let feed = &*stand.feed("history");
    stand.create(feed, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = stand.writer();
    for round in 0_u32..5 {
        let mut process = child(&stand.kafka().bootstrap, feed, folder.path());
        for step in 0..20 {
            let value = round * 100 + step;
            let rows: Vec<_> =
                (0..50).map(|key| (key * 7 % 60, (key % 9 != 0).then_some(value + key))).collect();
            writer.write(feed, &rows).await;
        }
        // At another point of starting, reading and writing each time.
        tokio::time::sleep(Duration::from_millis(u64::from(50 + 170 * round))).await;
        process.kill().expect("killed");
        process.wait().expect("gone");
    }
    let (store, seen) = (open(folder.path()), Seen::default());
    let follower = follow(stand.kafka(), &store, &[], vec![seen.view(feed)]);
    assert_eq!(seen.get(), stored(&store, feed));
    let status = taken(&follower, feed, writer.sent(feed)).await;
    assert_eq!(stored(&store, feed), writer.rows(feed));
    assert_eq!(status.records, writer.rows(feed).len() as u64);
    follower.stop().await;
}
