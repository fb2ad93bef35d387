//! Checks of who may write: one writer a partition, the one that claimed last.

use super::stage::{Stage, assert_fenced};

pub(super) async fn a_new_claim_fences_the_writer_before(mut stage: Stage<'_>) {
    let mut zombie = stage.writer(&[0]).await;
    zombie.settle(0, 0..20).await.expect("settles");
    zombie.feed(0, 20..40, 7).await.expect("writes");

    let mut writer = stage.idle_writer().await;
    let found = writer.claim(&[0]).await[0];
    writer.log.assert_ledger(&found, 0..20);
    assert_fenced(zombie.commit(0).await);
    let ledger = writer.settle(0, 20..50).await.expect("settles");
    writer.log.assert_ledger(&ledger, 0..50);

    // A zombie that was asleep all along, and one that had nothing pending when it lost.
    let mut late = stage.writer(&[1]).await;
    let mut heir = stage.writer(&[1]).await;
    heir.settle(1, 0..20).await.expect("settles");
    assert_fenced(late.settle(1, 0..20).await);
    let found = stage.idle_writer().await.claim(&[0, 1]).await;
    writer.log.assert_ledger(&found[0], 0..50);
    writer.log.assert_ledger(&found[1], 0..20);
    stage.assert_delivered(&[(0, 0..50), (1, 0..20)]).await;
}

pub(super) async fn a_fenced_writer_may_claim_again(mut stage: Stage<'_>) {
    let mut one = stage.writer(&[0]).await;
    let mut two = stage.writer(&[0]).await;
    assert_fenced(one.settle(0, 0..10).await);
    two.settle(0, 0..10).await.expect("settles");
    one.resume(0, 30).await;
    assert_fenced(two.settle(0, 10..30).await);
    two.resume(0, 40).await;
    let found = stage.idle_writer().await.claim(&[0]).await[0];
    stage.log.assert_ledger(&found, 0..40);
    stage.assert_delivered(&[(0, 0..40)]).await;
}

pub(super) async fn writers_of_different_partitions_do_not_disturb_each_other(
    mut stage: Stage<'_>,
) {
    let mut one = stage.writer(&[0]).await;
    let mut two = stage.writer(&[1]).await;
    for end in [10, 20, 30, 40, 50] {
        let (a, b) = tokio::join!(one.settle(0, end - 10..end), two.settle(1, end - 10..end));
        one.log.assert_ledger(&a.expect("settles"), 0..end);
        two.log.assert_ledger(&b.expect("settles"), 0..end);
    }
    stage.assert_delivered(&[(0, 0..50), (1, 0..50)]).await;
    stage.assert_dead(0, 0..50).await;
    stage.assert_dead(1, 0..50).await;
}

pub(super) async fn a_released_partition_is_not_written(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0, 1]).await;
    writer.feed(0, 0..10, 5).await.expect("writes");
    writer.feed(1, 0..10, 5).await.expect("writes");
    writer.sink.commit().await.expect("commits");
    writer.sink.release(&[writer.log.tp(0)]).await;
    let ledger = writer.settle(1, 10..20).await.expect("the other partition goes on");
    writer.log.assert_ledger(&ledger, 0..20);
    assert!(writer.settle(0, 10..20).await.is_err(), "wrote what it had given back");
    let found = stage.idle_writer().await.claim(&[0, 1]).await;
    writer.log.assert_ledger(&found[0], 0..10);
    writer.log.assert_ledger(&found[1], 0..20);
    stage.assert_delivered(&[(0, 0..10), (1, 0..20)]).await;
}
