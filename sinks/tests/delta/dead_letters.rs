//! Dead letters: kept once, whatever happens between the two commits.

use millrace_sinks::{DeadLetterQuery, DeadLetterRow, SinkError};

use crate::place::{Place, batch, batch_with_dead, claim, letter, range, tp};
use crate::store::Fault;

async fn letters(place: &Place, query: &DeadLetterQuery) -> Vec<DeadLetterRow> {
    let mut rows = place.warehouse().await.dead_letters(query).await.expect("reads");
    rows.sort_by_key(|row| row.letter.offset);
    rows
}

#[tokio::test]
async fn a_crash_between_the_two_commits_keeps_each_letter_once() {
    let place = Place::new();
    let mut doomed = place.sink("r", "raw.t").await;
    claim(doomed.as_mut()).await;
    doomed.write(batch_with_dead(0..10)).await.expect("writes");
    doomed.write(batch_with_dead(10..20)).await.expect("writes");
    place.faults.add("raw/t/_delta_log", Fault::Before, usize::MAX);
    assert!(matches!(doomed.commit().await, Err(SinkError::Retry { .. })));
    place.faults.clear();
    drop(doomed);
    assert_eq!(
        letters(&place, &DeadLetterQuery::default()).await.len(),
        2,
        "only these got through"
    );

    let mut heir = place.sink("r", "raw.t").await;
    assert_eq!(claim(heir.as_mut()).await, 0);
    for from in [0, 10, 20] {
        heir.write(batch_with_dead(from..from + 10)).await.expect("writes");
    }
    let moved = heir.commit().await.expect("commits");
    assert_eq!((moved[0].1.written, moved[0].1.dead), (27, 3));
    let kept: Vec<_> = letters(&place, &DeadLetterQuery::default())
        .await
        .into_iter()
        .map(|row| row.letter)
        .collect();
    assert_eq!(kept, [letter(9), letter(19), letter(29)]);
    let expected: Vec<_> = range(30).into_iter().filter(|n| n % 10 != 9).collect();
    assert_eq!(place.ids("raw.t").await, expected);
    assert_eq!(place.ledger_next().await, 30);
}

#[tokio::test]
async fn a_burial_in_doubt_is_one_burial() {
    let place = Place::new();
    let mut sink = place.sink("r", "raw.t").await;
    claim(sink.as_mut()).await;
    for (n, fault) in [(0, Fault::After), (1, Fault::Exists), (2, Fault::Before)] {
        place.faults.add("dead_letters/_delta_log", fault, 1);
        sink.write(batch_with_dead(n * 10..(n + 1) * 10)).await.expect("writes");
        sink.commit().await.expect("commits");
        assert!(place.faults.are_spent());
    }
    assert_eq!(letters(&place, &DeadLetterQuery::default()).await.len(), 3);
}

#[tokio::test]
async fn routes_and_topics_keep_their_own() {
    let place = Place::new();
    for route in ["one", "two"] {
        let mut sink = place.sink(route, "raw.t").await;
        claim(sink.as_mut()).await;
        sink.write(batch_with_dead(0..10)).await.expect("writes");
        sink.write(batch(10..20)).await.expect("writes");
        sink.commit().await.expect("commits");
    }
    let of = |route: &str| DeadLetterQuery {
        route: Some(route.parse().expect("valid")),
        ..DeadLetterQuery::default()
    };
    let one = letters(&place, &of("one")).await;
    assert_eq!((one.len(), one[0].route.as_str()), (1, "one"));
    assert!(one[0].dead_at_ms > 0);
    assert!(letters(&place, &of("three")).await.is_empty());
    let topic =
        |name: &str| DeadLetterQuery { topic: Some(name.into()), ..DeadLetterQuery::default() };
    assert_eq!(letters(&place, &topic(&tp().topic)).await.len(), 2);
    assert!(letters(&place, &topic("other")).await.is_empty());
    let limited = DeadLetterQuery { limit: Some(1), ..DeadLetterQuery::default() };
    assert_eq!(letters(&place, &limited).await.len(), 1);
}

#[tokio::test]
async fn a_great_many_letters_do_not_wait_for_the_commit() {
    let place = Place::new();
    let mut sink = place.sink("r", "raw.t").await;
    claim(sink.as_mut()).await;
    let mut batch = batch_with_dead(0..1);
    batch.dead[0].value = Some(vec![b'x'; 5 << 20]);
    let big = batch.dead[0].clone();
    sink.write(batch).await.expect("writes");
    assert_eq!(letters(&place, &DeadLetterQuery::default()).await.len(), 1, "buried at once");
    assert_eq!(place.budget.used(), 0);
    sink.write(batch_with_dead(1..10)).await.expect("writes");
    let moved = sink.commit().await.expect("commits");
    assert_eq!((moved[0].1.written, moved[0].1.dead), (8, 2));
    let rows = letters(&place, &DeadLetterQuery::default()).await;
    assert_eq!(rows.iter().map(|row| row.letter.clone()).collect::<Vec<_>>(), [big, letter(9)]);
}
