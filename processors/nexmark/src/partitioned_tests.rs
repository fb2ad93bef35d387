//! Tests of dealing rows to partitions.

use super::*;
use crate::generate::{Settings, generate};
use crate::normalise::normalise;

fn events() -> Events {
    generate(&Settings { events: 5_000, ..Settings::default() }, 700)
}

fn partition_times(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| times(batch).values().to_vec()).collect()
}

/// How far a row is behind the youngest row before it, at most.
fn lateness(times: &[i64]) -> i64 {
    let mut youngest = i64::MIN;
    let mut most = 0;
    for time in times {
        youngest = youngest.max(*time);
        most = most.max(youngest - time);
    }
    most
}

#[test]
fn every_row_is_dealt_once() {
    let events = events();
    for partitions in [1, 2, 7] {
        let dealing = Dealing { partitions, disorder_ms: 50, ..Dealing::default() };
        let dealt = partitioned(&events, &dealing);
        assert_eq!(dealt.len(), partitions);
        let all = |stream: fn(&Events) -> &Vec<RecordBatch>| {
            let batches: Vec<_> = dealt.iter().flat_map(|p| stream(p).clone()).collect();
            assert_eq!(normalise(&batches), normalise(stream(&events)));
            assert!(dealt.iter().all(|partition| !stream(partition).is_empty()));
        };
        all(|events| &events.persons);
        all(|events| &events.auctions);
        all(|events| &events.bids);
    }
}

#[test]
fn disorder_stays_within_its_bound_and_none_means_order() {
    for (disorder_ms, seen) in [(0, 0..=0), (50, 1..=50_000), (400, 50_001..=400_000)] {
        let dealing = Dealing { partitions: 2, disorder_ms, ..Dealing::default() };
        for partition in partitioned(&events(), &dealing) {
            let late = lateness(&partition_times(&partition.bids));
            assert!(seen.contains(&late), "{late} µs at {disorder_ms} ms");
        }
    }
}

#[test]
fn the_seed_decides_and_batches_are_cut() {
    let dealing = Dealing { partitions: 2, disorder_ms: 10, batch_rows: 100, seed: 7 };
    let dealt = partitioned(&events(), &dealing);
    assert_eq!(dealt, partitioned(&events(), &dealing));
    assert_ne!(dealt, partitioned(&events(), &Dealing { seed: 8, ..dealing }));
    let (last, full) = dealt[0].bids.split_last().expect("thousands of bids");
    assert!(full.iter().all(|batch| batch.num_rows() == 100));
    assert!(last.num_rows() <= 100);
}

#[test]
fn no_rows_are_dealt_as_no_rows() {
    let dealing = Dealing { partitions: 3, ..Dealing::default() };
    assert_eq!(partitioned(&Events::default(), &dealing), vec![Events::default(); 3]);
}
