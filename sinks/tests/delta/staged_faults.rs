//! Commits of checkpoints whose outcome is not what the store says.

use futures::FutureExt;

use millrace_events::Epoch;
use millrace_sinks::{Committed, SinkError};

use crate::place::{Place, range};
use crate::store::Fault;

const LOG: &str = "_delta_log/0";

#[tokio::test]
async fn a_commit_in_doubt_is_one_commit() {
    for (fault, times) in [(Fault::After, 1), (Fault::Exists, 1), (Fault::Before, 3)] {
        let place = Place::new();
        let mut committer = place.committer("raw.t").await;
        committer.claim(Epoch(1)).await.expect("claims");
        let files = place.prepared("raw.t", 0..10).await;
        place.faults.add(LOG, fault, times);
        let outcome = committer.commit(1, &[], &files).await.expect("commits");
        assert_eq!(outcome, Committed::Now, "{fault:?}");
        assert!(place.faults.are_spent());
        let files = place.prepared("raw.t", 10..20).await;
        committer.commit(2, &[], &files).await.expect("commits");
        assert_eq!(place.ids("raw.t").await, range(20), "{fault:?}");
        assert_eq!(place.files("raw.t", ".json").len(), 3, "claim, commit, commit");
    }
}

#[tokio::test]
async fn a_claim_in_doubt_is_one_claim() {
    for fault in [Fault::After, Fault::Exists, Fault::Before] {
        let place = Place::new();
        place.faults.add(LOG, fault, 1);
        let mut committer = place.committer("raw.t").await;
        committer.claim(Epoch(7)).await.expect("claims");
        let files = place.prepared("raw.t", 0..10).await;
        committer.commit(1, &[], &files).await.expect("commits");
        assert_eq!(committer.ledger().await.expect("reads").generation, Epoch(7));
        assert_eq!(place.ids("raw.t").await, range(10), "{fault:?}");
    }
}

#[tokio::test]
async fn a_commit_given_up_keeps_its_files_and_succeeds_later() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(Epoch(1)).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    place.faults.add(LOG, Fault::Before, usize::MAX);
    let outcome = committer.commit(1, &[], &files).await;
    assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
    assert_eq!(place.data_files("raw.t"), 1, "the checkpoint still names the file");
    place.faults.clear();
    assert_eq!(committer.commit(1, &[], &files).await.expect("commits"), Committed::Now);
    assert_eq!(place.ids("raw.t").await, range(10));
}

#[tokio::test]
async fn a_commit_that_got_there_unseen_is_found_by_the_next_try() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(Epoch(1)).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    let (written, is_written) = tokio::sync::oneshot::channel();
    let answer = async move {
        written.send(()).expect("awaited");
        std::future::pending::<()>().await;
    };
    place.faults.add_then(LOG, Fault::After, answer.boxed());
    tokio::select! {
        // The caller goes away while the store has the entry and has not answered.
        outcome = committer.commit(1, &[], &files) => panic!("nobody answered: {outcome:?}"),
        _ = is_written => {}
    }
    committer.commit(1, &[], &files).await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(10));
    assert_eq!(place.files("raw.t", ".json").len(), 2, "claim, commit");
}

/// The heir restores the very checkpoint whose commit is on its way, and commits it too.
#[tokio::test]
async fn a_commit_in_doubt_and_the_same_by_a_newer_run_are_one() {
    for fault in [Fault::Before, Fault::After, Fault::Exists] {
        let place = Place::new();
        let mut old = place.committer("raw.t").await;
        old.claim(Epoch(1)).await.expect("claims");
        let files = place.prepared("raw.t", 0..10).await;
        let mut heir = place.committer("raw.t").await;
        let (send, receive) = tokio::sync::oneshot::channel();
        let inherit = {
            let files = files.clone();
            async move {
                let last = heir.claim(Epoch(2)).await.expect("claims");
                let outcome = heir.recommit(1, &[], &files).await.expect("commits");
                send.send((last, outcome)).expect("awaited");
            }
        };
        place.faults.add_then(LOG, fault, inherit.boxed());
        let outcome = old.commit(1, &[], &files).await;
        let heirs = receive.await.expect("sent");
        if fault == Fault::Before {
            assert!(matches!(outcome, Err(SinkError::Superseded { .. })), "{outcome:?}");
            assert_eq!(heirs, (None, Committed::Now));
        } else {
            assert_eq!(outcome.expect("its entry is in the log"), Committed::Now);
            assert_eq!(heirs, (Some(1), Committed::Already));
        }
        assert_eq!(place.ids("raw.t").await, range(10), "{fault:?}");
        assert_eq!(place.data_files("raw.t"), 1);
    }
}
