//! Checks of what is left after an error, an abort, a cancelled call or a crash.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::stage::Stage;
use crate::SinkError;

pub(super) async fn a_write_without_a_claim_is_refused(mut stage: Stage<'_>) {
    let mut writer = stage.idle_writer().await;
    assert!(writer.settle(0, 0..10).await.is_err());
    writer.claim(&[1]).await;
    assert!(writer.settle(0, 0..10).await.is_err());
    let found = writer.claim(&[0, 1]).await;
    writer.log.assert_ledger(&found[0], 0..0);
    writer.log.assert_ledger(&found[1], 0..0);
    stage.assert_delivered(&[]).await;
}

pub(super) async fn a_write_that_leaves_a_hole_or_overlaps_is_refused(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0]).await;
    writer.settle(0, 0..20).await.expect("settles");
    for wrong in [21..30, 19..30, 0..10] {
        writer.feed(0, 20..25, 5).await.expect("writes");
        let fails_after_pending = writer.feed(0, wrong.clone(), 10).await;
        assert!(fails_after_pending.is_err(), "{wrong:?} after 25");
        assert!(writer.settle(0, 25..30).await.is_err(), "an error drops the claim");
        let found = writer.claim(&[0]).await[0];
        writer.log.assert_ledger(&found, 0..20);
        assert!(writer.feed(0, wrong.clone(), 10).await.is_err(), "{wrong:?} after 20");
        writer.claim(&[0]).await;
    }
    writer.resume(0, 40).await;
    stage.assert_delivered(&[(0, 0..40)]).await;
    stage.assert_dead(0, 0..40).await;
}

pub(super) async fn abort_drops_what_was_not_committed(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0, 1]).await;
    writer.settle(0, 0..20).await.expect("settles");
    writer.feed(0, 20..40, 7).await.expect("writes");
    writer.feed(1, 0..10, 7).await.expect("writes");
    writer.sink.abort().await;
    assert_eq!(writer.sink.pending_bytes(), 0);
    assert_eq!(writer.sink.commit().await.expect("commits"), []);
    let found = stage.idle_writer().await.claim(&[0, 1]).await;
    writer.log.assert_ledger(&found[0], 0..20);
    writer.log.assert_ledger(&found[1], 0..0);
    stage.assert_delivered_or_more(&[(0, 0..20)]).await;
    stage.assert_dead(0, 0..20).await;
    stage.assert_dead(1, 0..0).await;
}

pub(super) async fn a_crash_before_the_commit_loses_nothing(mut stage: Stage<'_>) {
    for (crash, end) in [(10, 15), (40, 52), (60, 61)] {
        let mut doomed = stage.idle_writer().await;
        let from = doomed.claim(&[0]).await[0].next.map_or(0, |next| next.0);
        doomed.feed(0, from..crash, 4).await.expect("writes");
        drop(doomed);
        let mut writer = stage.idle_writer().await;
        let found = writer.resume(0, end).await;
        assert_eq!(found.next.map_or(0, |next| next.0), from, "nothing was committed");
    }
    stage.assert_delivered(&[(0, 0..61)]).await;
    stage.assert_dead(0, 0..61).await;
}

/// Polls `future` up to `times` times, a moment apart, and drops it: a caller that went away. What
/// was done by then depends on the machine; what must hold afterwards does not.
async fn cancelled_after<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

const CANCEL_AFTER: [usize; 9] = [0, 1, 2, 3, 5, 8, 13, 21, 34];

pub(super) async fn a_cancelled_commit_leaves_all_or_nothing(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0]).await;
    let mut from = 0;
    for times in CANCEL_AFTER {
        let end = from + 20;
        writer.feed(0, from..end, 7).await.expect("writes");
        let committed = cancelled_after(times, writer.sink.commit()).await;
        let found = writer.resume(0, end).await;
        let next = found.next.map_or(0, |next| next.0);
        match committed {
            Some(outcome) => {
                outcome.expect("commits");
                assert_eq!(next, end, "a commit that returned holds");
            }
            None => assert!(next == from || next == end, "half a commit: {found:?}"),
        }
        from = end;
    }
    let found = stage.idle_writer().await.claim(&[0]).await[0];
    stage.log.assert_ledger(&found, 0..from);
    stage.assert_delivered(&[(0, 0..from)]).await;
    stage.assert_dead(0, 0..from).await;
}

pub(super) async fn a_cancelled_write_is_fed_again(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0, 1]).await;
    let mut from = 0;
    for times in CANCEL_AFTER {
        let end = from + 1000;
        writer.feed(1, from..end, 100).await.expect("writes");
        let batch = writer.log.batch(0, from..end);
        if cancelled_after(times, writer.sink.write(batch)).await.is_some() {
            writer.sink.commit().await.expect("commits");
        }
        writer.claim(&[0, 1]).await;
        writer.resume(1, end).await;
        writer.resume(0, end).await;
        from = end;
    }
    let found = stage.idle_writer().await.claim(&[0, 1]).await;
    stage.log.assert_ledger(&found[0], 0..from);
    stage.log.assert_ledger(&found[1], 0..from);
    stage.assert_delivered(&[(0, 0..from), (1, 0..from)]).await;
}

pub(super) async fn a_destination_that_fails_and_recovers_loses_nothing(mut stage: Stage<'_>) {
    let mut writer = stage.writer(&[0]).await;
    writer.settle(0, 0..20).await.expect("settles");
    if !stage.harness.break_destination().await {
        return;
    }
    for _ in 0..2 {
        let outcome = match writer.feed(0, 20..40, 7).await {
            Ok(()) => writer.commit(0).await.map(|_| ()),
            failed => failed,
        };
        assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
        assert!(writer.feed(0, 40..50, 7).await.is_err(), "an error drops the claim");
        stage.harness.mend_destination().await;
        let found = writer.claim(&[0]).await[0];
        writer.log.assert_ledger(&found, 0..20);
        assert!(stage.harness.break_destination().await);
    }
    stage.harness.mend_destination().await;
    writer.resume(0, 60).await;
    stage.assert_delivered(&[(0, 0..60)]).await;
    stage.assert_dead(0, 0..60).await;
}
