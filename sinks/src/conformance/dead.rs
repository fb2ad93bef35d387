//! Checks of dead letters: kept once, whatever happens around them.

use super::stage::{Stage, assert_fenced};

pub(super) async fn dead_letters_are_kept_once_and_counted(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0, 1]).await;
    writer.settle(0, 0..50).await.expect("settles");
    writer.settle(1, 0..20).await.expect("settles");
    let ledger = writer.settle(0, 50..120).await.expect("settles");
    assert_eq!(ledger.dead, writer.log.dead(0..120).len() as u64);
    stage.assert_dead(0, 0..120).await;
    stage.assert_dead(1, 0..20).await;
}

pub(super) async fn a_crash_between_commits_keeps_dead_letters_once(mut stage: Stage<'_>) {
    let mut end = 0;
    for (times, step) in [(1, 3), (2, 10), (4, 7), (9, 50), (20, 1)] {
        // Cut otherwise each time: a letter is known by its offset, not by its batch.
        let mut doomed = stage.idle_writer().await;
        let from = doomed.claim(&[0]).await[0].next.map_or(0, |next| next.0);
        doomed.feed(0, from..end + 37, step).await.expect("writes");
        let commit = doomed.sink.commit();
        let limit = std::time::Duration::from_millis(times);
        // Whether the commit is through by then is left open on purpose.
        let _ = tokio::time::timeout(limit, commit).await;
        drop(doomed);
        end += 50;
        stage.idle_writer().await.resume(0, end).await;
    }
    let found = stage.idle_writer().await.claim(&[0]).await[0];
    stage.log.assert_ledger(&found, 0..end);
    stage.assert_dead(0, 0..end).await;
    stage.assert_delivered(&[(0, 0..end)]).await;
}

pub(super) async fn dead_letters_of_a_fenced_writer_are_kept_once(mut stage: Stage<'_>) {
    let mut zombie = stage.writer(&[0]).await;
    zombie.settle(0, 0..20).await.expect("settles");
    zombie.feed(0, 20..70, 9).await.expect("writes");
    let mut writer = stage.idle_writer().await;
    writer.resume(0, 50).await;
    assert_fenced(zombie.commit(0).await);
    writer.settle(0, 50..80).await.expect("settles");
    let found = stage.idle_writer().await.claim(&[0]).await[0];
    stage.log.assert_ledger(&found, 0..80);
    stage.assert_dead(0, 0..80).await;
    stage.assert_delivered(&[(0, 0..80)]).await;
}
