//! `system.ledger`, the book of sinks that hold no offsets.

use std::sync::Arc;

use millrace_events::{Epoch, Offset, OffsetRange, RouteName};
use millrace_sinks::{LedgerBook, Progress, SinkError};

use crate::place::{Place, tp};
use crate::store::Fault;

fn step(from: i64, next: i64) -> Progress {
    let range = OffsetRange { from: Offset(from), next: Offset(next) };
    Progress { range, written: range.width() - 1, filtered: 1, dead: 0, gaps: 0 }
}

fn route() -> RouteName {
    "out".parse().expect("valid")
}

async fn book(place: &Place) -> Arc<dyn LedgerBook> {
    place.warehouse().await.ledger_book()
}

#[tokio::test]
async fn moves_are_applied_once_and_by_the_owner_only() {
    let place = Place::new();
    let (one, two) = (book(&place).await, book(&place).await);
    let epoch = one.claim(&route(), &[tp()]).await.expect("claims")[0].1.epoch;
    assert_eq!(epoch, Epoch(1));
    let moved = one.advance(&route(), &[(tp(), epoch, step(5, 10))]).await.expect("moves");
    assert_eq!((moved[0].1.first, moved[0].1.next), (Some(Offset(5)), Some(Offset(10))));

    let hole = one.advance(&route(), &[(tp(), epoch, step(11, 12))]).await;
    assert!(matches!(hole, Err(SinkError::Retry { .. })), "{hole:?}");
    let again = one.advance(&route(), &[(tp(), epoch, step(5, 10))]).await;
    assert!(matches!(again, Err(SinkError::Retry { .. })), "{again:?}");

    let found = two.claim(&route(), &[tp()]).await.expect("claims")[0].1;
    assert_eq!((found.epoch, found.next), (Epoch(2), Some(Offset(10))));
    let zombie = one.advance(&route(), &[(tp(), epoch, step(10, 20))]).await;
    assert!(matches!(zombie, Err(SinkError::Fenced { theirs: Epoch(2), .. })), "{zombie:?}");
    // A book that did not make the claim itself.
    let moved = one.advance(&route(), &[(tp(), Epoch(2), step(10, 30))]).await.expect("moves");
    assert_eq!((moved[0].1.next, moved[0].1.filtered), (Some(Offset(30)), 2));
    assert_eq!(place.ledger_next().await, 30);
}

#[tokio::test]
async fn a_move_in_doubt_is_one_move() {
    let place = Place::new();
    let book = book(&place).await;
    let epoch = book.claim(&route(), &[tp()]).await.expect("claims")[0].1.epoch;
    for (n, fault) in [(0, Fault::After), (1, Fault::Exists), (2, Fault::Before)] {
        place.faults.add("_delta_log/0", fault, 1);
        let step = [(tp(), epoch, step(n * 10, n * 10 + 10))];
        let moved = book.advance(&route(), &step).await.expect("moves");
        assert_eq!(moved[0].1.next, Some(Offset(n * 10 + 10)));
        assert!(place.faults.are_spent());
    }
    assert_eq!(place.ledger_next().await, 30);
}
