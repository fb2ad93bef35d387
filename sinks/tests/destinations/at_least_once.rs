//! What [`AtLeastOnce`] adds to a delivery: order of steps, row numbers, no half state.

use std::sync::Arc;

use millrace_events::Offset;
use millrace_sinks::{AtLeastOnce, Sink, SinkBatch};

use crate::books::MemoryBooks;
use crate::memory::{MemoryDelivery, Mood, Place};
use crate::rows::{columns, dead, route, tp};

fn sink(place: &Place, books: &MemoryBooks) -> AtLeastOnce<MemoryDelivery> {
    let book = || Arc::new(books.clone());
    AtLeastOnce::new(route(), MemoryDelivery::to(place), book(), book())
}

async fn fed(sink: &mut impl Sink, batches: impl IntoIterator<Item = SinkBatch>) {
    sink.claim(&[tp()]).await.expect("claims");
    for batch in batches {
        sink.write(batch).await.expect("writes");
    }
}

#[tokio::test]
async fn a_row_has_the_same_number_however_often_and_in_whichever_batches_it_is_fed() {
    let (place, books) = (Place::default(), MemoryBooks::default());
    let mut first = sink(&place, &books);
    fed(&mut first, [columns(0, 7), dead(7, 9), columns(9, 12)]).await;
    first.commit().await.expect("commits");

    // Flushed, but the ledger did not move: these rows come again.
    books.pages().failing.push("advance");
    for batch in [columns(12, 14), dead(14, 15), columns(15, 30)] {
        first.write(batch).await.expect("writes");
    }
    assert!(first.commit().await.is_err());

    let mut second = sink(&place, &books);
    fed(&mut second, [columns(12, 13), columns(13, 14), dead(14, 15), columns(15, 40)]).await;
    second.commit().await.expect("commits");

    let mut arrived = place.arrived.lock().expect("not poisoned").clone();
    let deliveries = arrived.len();
    arrived.retain(|(id, _)| id != "null");
    arrived.sort_by_key(|(_, number)| *number);
    arrived.dedup();
    let numbers: Vec<_> = arrived.iter().map(|(_, number)| *number).collect();
    let mut distinct = numbers.clone();
    distinct.dedup();
    assert_eq!(numbers, distinct, "one id a number, one number an id");
    assert_eq!(deliveries, 10 + 17 + 27, "the rows between were repeated");
    assert_eq!(books.letters().len(), 3, "dead letters were not");
}

#[tokio::test]
async fn rows_go_before_dead_letters_and_dead_letters_before_the_ledger() {
    let (place, books) = (Place::default(), MemoryBooks::default());
    let mut sink = sink(&place, &books);

    place.set(Mood::Breaks);
    fed(&mut sink, [columns(0, 4), dead(4, 6)]).await;
    assert!(sink.commit().await.is_err());
    assert_eq!(books.pages().calls, ["claim"], "nothing is booked before the rows are there");

    place.set(Mood::Works);
    books.pages().failing.push("bury");
    fed(&mut sink, [columns(0, 4), dead(4, 6)]).await;
    assert!(sink.commit().await.is_err());
    assert_eq!(books.pages().calls, ["claim", "claim"], "the ledger waits for the dead letters");

    fed(&mut sink, [columns(0, 4), dead(4, 6)]).await;
    let moved = sink.commit().await.expect("commits");
    assert_eq!(books.pages().calls, ["claim", "claim", "claim", "bury", "advance"]);
    assert_eq!((moved[0].1.written, moved[0].1.dead), (4, 2));
}

#[tokio::test]
async fn a_claim_of_one_partition_keeps_what_is_pending_of_another() {
    let (place, books) = (Place::default(), MemoryBooks::default());
    let mut sink = sink(&place, &books);
    fed(&mut sink, [columns(0, 4), dead(4, 6)]).await;
    let other = millrace_events::TopicPartition::new("clicks", 4);
    sink.claim(std::slice::from_ref(&other)).await.expect("claims");
    assert!(sink.pending_bytes() > 0);
    let moved = sink.commit().await.expect("commits");
    assert_eq!(moved.len(), 1);
    assert_eq!((moved[0].0.clone(), moved[0].1.next), (tp(), Some(Offset(6))));
    assert_eq!(place.ids().len(), 4);
}

#[tokio::test]
#[should_panic(expected = "clicks/3")]
async fn a_batch_whose_counts_are_wrong_is_a_bug_of_the_caller() {
    let mut sink = sink(&Place::default(), &MemoryBooks::default());
    let mut wrong = columns(0, 4);
    wrong.progress.filtered = 1;
    fed(&mut sink, [wrong]).await;
}
