//! Checks of the ledger: where it starts, how it moves, that it adds up.

use millrace_events::Offset;

use super::feed::Fate;
use super::stage::Stage;

pub(super) async fn fresh_partitions_have_an_empty_ledger(mut stage: Stage<'_>) {
    let mut writer = stage.idle_writer().await;
    for ledger in writer.claim(&[0, 1]).await {
        writer.log.assert_ledger(&ledger, 0..0);
    }
    stage.assert_delivered(&[]).await;
}

pub(super) async fn a_commit_moves_the_ledger_and_the_next_claim_returns_it(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0]).await;
    let first = writer.settle(0, 0..40).await.expect("settles");
    writer.log.assert_ledger(&first, 0..40);
    let second = writer.settle(0, 40..55).await.expect("settles");
    writer.log.assert_ledger(&second, 0..55);
    assert_eq!(first.epoch, second.epoch, "a writer keeps its epoch");

    let mut next = stage.idle_writer().await;
    let found = next.claim(&[0]).await[0];
    next.log.assert_ledger(&found, 0..55);
    assert!(found.epoch > second.epoch, "a claim raises the epoch");
    stage.assert_delivered(&[(0, 0..55)]).await;
}

pub(super) async fn a_log_may_start_late(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0]).await;
    let ledger = writer.settle(0, 1_000_000..1_000_030).await.expect("settles");
    writer.log.assert_ledger(&ledger, 1_000_000..1_000_030);
    let found = stage.idle_writer().await.claim(&[0]).await[0];
    assert_eq!(found.first, Some(Offset(1_000_000)));
    stage.assert_delivered(&[(0, 1_000_000..1_000_030)]).await;
}

pub(super) async fn committing_nothing_changes_nothing(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0]).await;
    assert_eq!(writer.sink.commit().await.expect("commits"), []);
    writer.sink.write(writer.log.batch(0, 0..0)).await.expect("takes an empty range");
    assert_eq!(writer.sink.commit().await.expect("commits"), []);
    writer.settle(0, 0..20).await.expect("settles");
    assert_eq!(writer.sink.commit().await.expect("commits"), []);
    assert_eq!(writer.sink.pending_bytes(), 0);
    let found = writer.claim(&[0]).await[0];
    writer.log.assert_ledger(&found, 0..20);
    stage.assert_delivered(&[(0, 0..20)]).await;
}

pub(super) async fn ranges_without_rows_move_the_ledger(stage: Stage<'_>) {
    let mut stage = stage.with_fates(|offset| match offset / 10 {
        0 => Fate::Gap,
        1 => Fate::Filtered,
        2 => Fate::Dead,
        _ => Fate::Written,
    });
    let mut writer = stage.writer(&[0]).await;
    for end in [10, 20, 30, 40] {
        let ledger = writer.settle(0, end - 10..end).await.expect("settles");
        writer.log.assert_ledger(&ledger, 0..end);
    }
    stage.assert_delivered(&[(0, 0..40)]).await;
    stage.assert_dead(0, 0..40).await;
}

pub(super) async fn partitions_move_independently(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0, 1, 2]).await;
    writer.feed(0, 0..30, 11).await.expect("writes");
    writer.feed(2, 500..520, 3).await.expect("writes");
    let moved = writer.sink.commit().await.expect("commits");
    let mut tps: Vec<_> = moved.iter().map(|(tp, _)| tp.clone()).collect();
    tps.sort();
    assert_eq!(tps, [writer.log.tp(0), writer.log.tp(2)], "only what moved is told");
    writer.feed(1, 0..10, 4).await.expect("writes");
    writer.feed(2, 520..530, 4).await.expect("writes");
    writer.sink.commit().await.expect("commits");
    let ledgers = stage.idle_writer().await.claim(&[0, 1, 2]).await;
    writer.log.assert_ledger(&ledgers[0], 0..30);
    writer.log.assert_ledger(&ledgers[1], 0..10);
    writer.log.assert_ledger(&ledgers[2], 500..530);
    stage.assert_delivered(&[(0, 0..30), (1, 0..10), (2, 500..530)]).await;
}

pub(super) async fn many_batches_of_every_size_arrive_whole(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0, 1, 2]).await;
    let mut end = 0;
    for round in [1, 900, 2, 1500, 97] {
        for (partition, step) in [(0, 1000), (1, 97), (2, 10)] {
            writer.feed(partition, end..end + round, step).await.expect("writes");
        }
        writer.sink.commit().await.expect("commits");
        end += round;
    }
    for ledger in stage.idle_writer().await.claim(&[0, 1, 2]).await {
        writer.log.assert_ledger(&ledger, 0..end);
    }
    stage.assert_delivered(&[(0, 0..end), (1, 0..end), (2, 0..end)]).await;
}
