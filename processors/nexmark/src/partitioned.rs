//! Deals the rows of each stream to partitions, out of order within a bound.

use arrow::array::{RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::{array::AsArray, datatypes::SchemaRef};

use crate::generate::Events;
use crate::schema::{auction_schema, bid_schema, person_schema};

/// How rows are dealt. The same dealing of the same rows gives the same partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dealing {
    /// Number of partitions of every stream; at least 1.
    pub partitions: usize,
    /// A row comes after rows at most this much younger, so that a watermark delay of as much
    /// leaves none late. 0 keeps every partition in the order of event time.
    pub disorder_ms: u64,
    /// Rows per batch; the last batch of a partition may be short.
    pub batch_rows: usize,
    /// Another seed deals and shuffles otherwise.
    pub seed: u64,
}

impl Default for Dealing {
    fn default() -> Self {
        Self { partitions: 1, disorder_ms: 0, batch_rows: 1_024, seed: 0 }
    }
}

/// Deals every row of `events` to one partition at random: element `p` of the result holds
/// partition `p` of the three streams.
pub fn partitioned(events: &Events, dealing: &Dealing) -> Vec<Events> {
    let mut random = SplitMix(dealing.seed);
    let mut persons = deal(&events.persons, &person_schema(), dealing, &mut random).into_iter();
    let mut auctions = deal(&events.auctions, &auction_schema(), dealing, &mut random).into_iter();
    let mut bids = deal(&events.bids, &bid_schema(), dealing, &mut random).into_iter();
    let partition = |_| Events {
        persons: persons.next().unwrap_or_default(),
        auctions: auctions.next().unwrap_or_default(),
        bids: bids.next().unwrap_or_default(),
    };
    (0..dealing.partitions.max(1)).map(partition).collect()
}

/// The rows of one stream, per partition.
fn deal(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    dealing: &Dealing,
    random: &mut SplitMix,
) -> Vec<Vec<RecordBatch>> {
    let rows = concat_batches(schema, batches).expect("batches of a stream share its schema");
    let times = times(&rows);
    let partitions = dealing.partitions.max(1);
    let disorder_us = dealing.disorder_ms.saturating_mul(1_000);
    let mut dealt: Vec<Vec<(i64, u32)>> = vec![Vec::new(); partitions];
    for (row, time) in (0..).zip(times.values()) {
        // Sorting by a time postponed by at most the disorder keeps every row ahead of all rows
        // that are younger by more than it.
        let postponed = time.saturating_add_unsigned(random.up_to(disorder_us));
        let partition = random.up_to(partitions as u64 - 1);
        dealt[usize::try_from(partition).expect("a partition is an index")].push((postponed, row));
    }
    let cut = |mut order: Vec<(i64, u32)>| {
        order.sort_unstable();
        let cut = |part: &[(i64, u32)]| {
            let indices = UInt32Array::from_iter_values(part.iter().map(|(_, row)| *row));
            take_record_batch(&rows, &indices).expect("the indices are rows of the batch")
        };
        order.chunks(dealing.batch_rows.max(1)).map(cut).collect()
    };
    dealt.into_iter().map(cut).collect()
}

/// The event times of a batch of any of the flat streams.
pub(crate) fn times(batch: &RecordBatch) -> &TimestampMicrosecondArray {
    let column = batch.column_by_name("dateTime").expect("every stream has a dateTime");
    column.as_primitive::<TimestampMicrosecondType>()
}

/// `SplitMix64` (Steele, Lea, Flood 2014): a seeded sequence that no release of a crate changes.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of 0 to `most`, both included.
    fn up_to(&mut self, most: u64) -> u64 {
        let number = self.next();
        most.checked_add(1).map_or(number, |numbers| number % numbers)
    }
}

#[cfg(test)]
#[path = "partitioned_tests.rs"]
mod tests;
