//! Tests of the stream that carries all kinds.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType};

use super::*;
use crate::generate::{Settings, generate};

#[test]
fn every_row_carries_the_struct_its_kind_names() {
    let events = generate(&Settings { events: 2_000, ..Settings::default() }, 300);
    let batches = combined(&events, 256);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2_000);
    let whole = concat(&schema(), &batches);
    let kinds = whole.column(0).as_primitive::<Int32Type>();
    for (kind, column) in [(PERSON, 1), (AUCTION, 2), (BID, 3)] {
        let nested = whole.column(column);
        for row in 0..whole.num_rows() {
            assert_eq!(nested.is_valid(row), kinds.value(row) == kind);
        }
    }
    let kinds: Vec<i32> = kinds.values()[..6].to_vec();
    assert_eq!(kinds, [PERSON, AUCTION, AUCTION, AUCTION, BID, BID]);
}

#[test]
fn times_rise_and_values_are_those_of_the_flat_stream() {
    let events = generate(&Settings { events: 1_000, ..Settings::default() }, 300);
    let whole = concat(&schema(), &combined(&events, 256));
    let time = whole.column(4).as_primitive::<TimestampMillisecondType>();
    assert!(time.values().is_sorted());
    let bids = whole.column(3).as_struct();
    let price = bids.column_by_name("price").expect("bids have a price");
    let nested: Vec<i64> = price.as_primitive::<Int64Type>().iter().flatten().collect();
    let flat = concat(&bid_schema(), &events.bids);
    assert_eq!(nested, flat.column(2).as_primitive::<Int64Type>().values().to_vec());
    let nested = bids.column_by_name("dateTime").expect("bids have a time");
    let nested = nested.as_primitive::<TimestampMillisecondType>();
    let both = nested.iter().zip(time.iter());
    assert!(both.filter(|(bid, _)| bid.is_some()).all(|(bid, row)| bid == row));
}
