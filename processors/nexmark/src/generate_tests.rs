//! Tests of the generated rows.

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;

use super::*;
use crate::partitioned::times;
use crate::schema::{auction_schema, bid_schema, person_schema};

fn small() -> Settings {
    Settings { events: 5_000, ..Settings::default() }
}

fn event_times(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| times(batch).values().to_vec()).collect()
}

#[test]
fn the_same_settings_give_the_same_rows() {
    let events = generate(&small(), 512);
    assert_eq!(events, generate(&small(), 512));
    assert_ne!(events, generate(&Settings { seed: 1, ..small() }, 512));
}

#[test]
fn the_first_person_is_the_one_the_generator_documents() {
    let events = generate(&Settings { events: 1, ..small() }, 10);
    let person = &events.persons[0];
    assert_eq!(person.column(0).as_primitive::<Int64Type>().value(0), 1_000);
    assert_eq!(person.column(1).as_string::<i32>().value(0), "vicky noris");
    assert_eq!(person.column(3).as_string::<i32>().value(0), "7878 5821 1864 2539");
    assert_eq!(event_times(&events.persons), [1_436_918_400_000_000]);
}

#[test]
fn kinds_come_in_their_proportions_and_with_their_columns() {
    let events = generate(&small(), 512);
    assert_eq!(events.rows(), 5_000);
    let whole = |schema, batches: &[RecordBatch]| concat_batches(&schema, batches).unwrap();
    assert_eq!(whole(person_schema(), &events.persons).num_rows(), 100);
    assert_eq!(whole(auction_schema(), &events.auctions).num_rows(), 300);
    assert_eq!(whole(bid_schema(), &events.bids).num_rows(), 4_600);
    let rows: Vec<_> = events.bids.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [512, 512, 512, 512, 512, 512, 512, 512, 504]);
}

#[test]
fn ids_of_a_seed_go_on_where_those_of_the_one_before_end() {
    let ids = |seed, column: usize| {
        let events = generate(&Settings { seed, ..small() }, 512);
        let batch = if column == 0 { &events.persons[0] } else { &events.bids[0] };
        batch.column(0).as_primitive::<Int64Type>().value(0)
    };
    assert_eq!(ids(1, 0), ids(0, 0) + 20_000);
    assert!(ids(1, 1) > ids(0, 1) + 50_000);
}

#[test]
fn times_are_distinct_and_rise_unless_the_generators_own_are_wanted() {
    let events = generate(&small(), 512);
    let mut all: Vec<i64> = [&events.persons, &events.auctions, &events.bids]
        .into_iter()
        .flat_map(|batches| {
            let times = event_times(batches);
            assert!(times.is_sorted());
            times
        })
        .collect();
    all.sort_unstable();
    let (first, last) = (all[0], all[all.len() - 1]);
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    // 5,000 events at 10,000 a second.
    assert!((499_000..=501_000).contains(&(last - first)), "{}", last - first);

    let events = generate(&Settings { distinct_times: false, ..small() }, 512);
    let times = event_times(&events.bids);
    assert!(times.iter().all(|time| time % 1_000 == 0));
    assert!(times.windows(2).any(|pair| pair[0] == pair[1]));
}

#[test]
fn a_generator_asked_in_steps_gives_the_same_rows() {
    let mut generator = Generator::new(&small());
    let mut bids = Vec::new();
    let mut steps = 0;
    loop {
        let events = generator.next_events(777, 100);
        if events.rows() == 0 {
            break;
        }
        steps += 1;
        bids.extend(events.bids);
    }
    assert_eq!(steps, 7);
    let whole = generate(&small(), 512);
    let schema = bid_schema();
    assert_eq!(
        concat_batches(&schema, &bids).unwrap(),
        concat_batches(&schema, &whole.bids).unwrap()
    );
}

#[test]
fn the_number_of_cores_does_not_show() {
    // 20 events a millisecond, so that shares begin in the middle of one.
    let settings = Settings { events_per_second: 20_000, base_time_ms: 0, ..small() };
    let one = generate_on(1, &settings, 7);
    assert_eq!(one, Generator::new(&settings).next_events(settings.events, 7));
    for cores in [2, 3, 64] {
        assert_eq!(generate_on(cores, &settings, 7), one, "{cores} cores");
    }
    let none = Settings { events: 0, ..small() };
    assert_eq!(generate(&none, 7), Events::default());
}
