//! The batch results against loops written by hand over the generator's rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::*;
use crate::generate::{Settings, generate};
use crate::normalise::normalise;
use crate::partitioned::{Dealing, partitioned};
use crate::queries::QUERIES;

const SECOND: i64 = 1_000_000;

/// A minute around a midnight, in windows that no event time is the start of.
static EVENTS: LazyLock<Events> = LazyLock::new(|| {
    let settings = Settings {
        events: 30_000,
        events_per_second: 500,
        base_time_ms: 1_767_311_967_500,
        ..Settings::default()
    };
    generate(&settings, 1_000)
});

struct Bid {
    auction: i64,
    bidder: i64,
    price: i64,
    at: i64,
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).expect("the column is of the schema");
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return times.values().to_vec();
    }
    column.as_primitive::<Int64Type>().values().to_vec()
}

fn bids(events: &Events) -> Vec<Bid> {
    let whole = concat_batches(&bid_schema(), &events.bids).unwrap();
    let [auction, bidder, price, at] =
        ["auction", "bidder", "price", "dateTime"].map(|name| ints(&whole, name));
    (0..whole.num_rows())
        .map(|row| Bid {
            auction: auction[row],
            bidder: bidder[row],
            price: price[row],
            at: at[row],
        })
        .collect()
}

/// Number columns of a result as sorted rows.
async fn rows<const N: usize>(query: &str, events: &Events, names: [&str; N]) -> Vec<[i64; N]> {
    let batch = expected(query, events).await.unwrap();
    let columns = names.map(|name| ints(&batch, name));
    let mut rows: Vec<[i64; N]> = (0..batch.num_rows())
        .map(|row| std::array::from_fn(|column| columns[column][row]))
        .collect();
    rows.sort_unstable();
    rows
}

fn sorted<T: Ord>(rows: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut rows: Vec<T> = rows.into_iter().collect();
    rows.sort_unstable();
    rows
}

#[tokio::test]
async fn every_query_has_a_result_with_the_schema_of_its_sink() {
    let events = &*EVENTS;
    for query in QUERIES {
        let batch = expected(query, events).await.unwrap();
        assert!(batch.num_rows() > 0, "{query}");
        let sink = sink(query);
        assert_eq!(batch.schema(), sink.schema, "{query}");
        assert!(crate::sql(query).contains(&format!("INSERT INTO {}\n", sink.name)), "{query}");
        for column in batch.columns() {
            assert_eq!(column.null_count(), 0, "{query}");
        }
        let keys = sink.primary_key.iter().map(|key| batch.schema().index_of(key).unwrap());
        let keys: Vec<usize> = keys.collect();
        if !keys.is_empty() {
            let lines = normalise(&[batch.project(&keys).unwrap()]);
            let distinct: BTreeSet<_> = lines.iter().collect();
            assert_eq!(distinct.len(), lines.len(), "{query}: two rows with one key");
        }
    }
}

#[tokio::test]
async fn the_order_and_the_batches_of_the_rows_do_not_count() {
    let settings = Settings { events: 5_000, events_per_second: 100, ..Settings::default() };
    let events = &generate(&settings, 1_000);
    let dealing = Dealing { partitions: 3, disorder_ms: 5_000, batch_rows: 333, seed: 5 };
    let mut shuffled = Events::default();
    for partition in partitioned(events, &dealing) {
        shuffled.persons.extend(partition.persons);
        shuffled.auctions.extend(partition.auctions);
        shuffled.bids.extend(partition.bids);
    }
    for query in QUERIES {
        let one = expected(query, events).await.unwrap();
        let other = expected(query, &shuffled).await.unwrap();
        assert_eq!(normalise(&[one]), normalise(&[other]), "{query}");
    }
}

#[tokio::test]
async fn no_rows_give_no_rows() {
    for query in QUERIES {
        let batch = expected(query, &Events::default()).await.unwrap();
        assert_eq!(batch.num_rows(), 0, "{query}");
    }
}

#[tokio::test]
async fn q0_and_q2_are_the_rows_by_hand() {
    let events = &*EVENTS;
    let bids = bids(events);
    let names = ["auction", "bidder", "price", "dateTime"];
    let all = bids.iter().map(|b| [b.auction, b.bidder, b.price, b.at]);
    assert_eq!(rows("q0", events, names).await, sorted(all));

    let some = bids.iter().filter(|b| b.auction % 123 == 0).map(|b| [b.auction, b.price]);
    let some = sorted(some);
    assert!(some.len() > 10);
    assert_eq!(rows("q2", events, ["auction", "price"]).await, some);
}

#[tokio::test]
async fn q5_is_the_hot_items_by_hand() {
    let events = &*EVENTS;
    let mut counts: BTreeMap<i64, HashMap<i64, i64>> = BTreeMap::new();
    for bid in bids(events) {
        let mut start = bid.at - bid.at % (2 * SECOND);
        while start > bid.at - 10 * SECOND {
            *counts.entry(start).or_default().entry(bid.auction).or_default() += 1;
            start -= 2 * SECOND;
        }
    }
    assert!(counts.len() > 30);
    let hot = sorted(counts.values().flat_map(|auctions| {
        let most = *auctions.values().max().expect("a window has a bid");
        auctions.iter().filter(move |(_, num)| **num == most).map(|(id, num)| [*id, *num])
    }));
    assert_eq!(rows("q5", events, ["auction", "num"]).await, hot);
}

#[tokio::test]
async fn q7_is_the_highest_bids_by_hand() {
    let events = &*EVENTS;
    let bids = bids(events);
    let window = |bid: &Bid| bid.at / (10 * SECOND);
    let mut highest: HashMap<i64, i64> = HashMap::new();
    for bid in &bids {
        let price = highest.entry(window(bid)).or_insert(bid.price);
        *price = bid.price.max(*price);
    }
    assert_eq!(highest.len(), 7);
    let top = bids.iter().filter(|b| highest[&window(b)] == b.price);
    let top = sorted(top.map(|b| [b.auction, b.bidder, b.price, b.at]));
    assert_eq!(rows("q7", events, ["auction", "bidder", "price", "dateTime"]).await, top);
}

#[tokio::test]
async fn q8_is_the_new_sellers_by_hand() {
    let events = &*EVENTS;
    let window = |at: i64| at - at % (10 * SECOND);
    let persons = concat_batches(&person_schema(), &events.persons).unwrap();
    let auctions = concat_batches(&auction_schema(), &events.auctions).unwrap();
    let sold: BTreeSet<(i64, i64)> = ints(&auctions, "seller")
        .into_iter()
        .zip(ints(&auctions, "dateTime").into_iter().map(window))
        .collect();
    let came: BTreeSet<(i64, i64)> = ints(&persons, "id")
        .into_iter()
        .zip(ints(&persons, "dateTime").into_iter().map(window))
        .collect();
    let both: Vec<[i64; 2]> = came.intersection(&sold).map(|(id, start)| [*id, *start]).collect();
    assert!(both.len() > 10);
    assert_eq!(rows("q8", events, ["id", "starttime"]).await, both);
}

#[tokio::test]
async fn q11_is_the_sessions_by_hand() {
    let events = &*EVENTS;
    let mut times: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for bid in bids(events) {
        times.entry(bid.bidder).or_default().push(bid.at);
    }
    let users = times.len();
    let mut sessions: Vec<[i64; 4]> = Vec::new();
    for (bidder, times) in times {
        let mut open: Option<[i64; 4]> = None;
        for at in times {
            match &mut open {
                Some([_, count, _, end]) if at <= *end => {
                    *count += 1;
                    *end = at + 10 * SECOND;
                }
                _ => sessions.extend(open.replace([bidder, 1, at, at + 10 * SECOND])),
            }
        }
        sessions.extend(open);
    }
    assert!(sessions.len() > users, "some user comes back");
    let names = ["bidder", "bid_count", "starttime", "endtime"];
    assert_eq!(rows("q11", events, names).await, sorted(sessions));
}

#[tokio::test]
async fn the_daily_reports_count_every_bid_of_both_days() {
    let events = &*EVENTS;
    let bids = bids(events);
    for query in ["q15", "q16", "q17"] {
        let [total, ..] =
            rows(query, events, ["total_bids"]).await.iter().fold([0], |a, b| [a[0] + b[0]]);
        assert_eq!(usize::try_from(total).unwrap(), bids.len(), "{query}");
    }
    let bidders: BTreeSet<i64> = bids.iter().map(|b| b.bidder).collect();
    let days = rows("q15", events, ["total_bidders", "rank3_auctions"]).await;
    assert_eq!(days.len(), 2);
    assert!(days.iter().all(|[total, _]| usize::try_from(*total).unwrap() <= bidders.len()));
}

/// Bids of bidder 7 for auction 3 at these times, each dearer than the one before.
fn bids_at(times: &[i64]) -> Events {
    let bids = concat_batches(&bid_schema(), &EVENTS.bids).unwrap().slice(0, times.len());
    let mut columns = bids.columns().to_vec();
    columns[0] = Arc::new(Int64Array::from(vec![3; times.len()]));
    columns[1] = Arc::new(Int64Array::from(vec![7; times.len()]));
    columns[2] = Arc::new(Int64Array::from_iter_values((100..).take(times.len())));
    let times = TimestampMicrosecondArray::from(times.to_vec());
    columns[5] = Arc::new(times.with_timezone("UTC"));
    let bids = vec![RecordBatch::try_new(bid_schema(), columns).unwrap()];
    Events { bids, ..Events::default() }
}

#[tokio::test]
async fn windows_hold_their_start_and_not_their_end() {
    let events = bids_at(&[20 * SECOND - 1, 20 * SECOND]);
    assert_eq!(rows("q7", &events, ["price"]).await, [[100], [101]]);
    // Six windows, of which the four that start at 12, 14, 16 and 18 s hold both bids.
    assert_eq!(rows("q5", &events, ["num"]).await, [[1], [1], [2], [2], [2], [2]]);
}

#[tokio::test]
async fn sessions_merge_at_the_gap_and_part_beyond_it() {
    let events = bids_at(&[5 * SECOND, 15 * SECOND, 25 * SECOND + 1]);
    let names = ["bid_count", "starttime", "endtime"];
    let apart = [[1, 25 * SECOND + 1, 35 * SECOND + 1], [2, 5 * SECOND, 25 * SECOND]];
    assert_eq!(rows("q11", &events, names).await, apart);
}

#[test]
fn a_result_its_sink_cannot_take_is_refused() {
    let batch = RecordBatch::new_empty(sink("q0").schema);
    let refused = conform("q2", &[batch]).unwrap_err();
    assert_eq!(refused.to_string(), "q2 gives 5 columns, its sink has 2");

    let text: ArrayRef = Arc::new(StringArray::from(vec!["a lot"]));
    let number: ArrayRef = Arc::new(StringArray::from(vec!["7"]));
    let batch = RecordBatch::try_from_iter([("a", number.clone()), ("b", number.clone())]).unwrap();
    assert_eq!(normalise(&conform("q2", &[batch]).unwrap()), ["7\t7"]);
    let batch = RecordBatch::try_from_iter([("a", number), ("b", text)]).unwrap();
    let refused = conform("q2", &[batch]).unwrap_err();
    assert_eq!(refused.to_string(), "column `price` of q2 does not fit its sink");
}
