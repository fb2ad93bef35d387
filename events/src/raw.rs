//! Records of one partition as they came from the log, in one arena.

use bytes::Bytes;

use crate::{Offset, OffsetRange, Reservation, TopicPartition};

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Header name.
    pub name: String,
    /// Header value; Kafka allows null.
    pub value: Option<Bytes>,
}

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Position in the partition.
    pub offset: Offset,
    /// The broker's or producer's timestamp, milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Record key.
    pub key: Option<&'a [u8]>,
    /// Record value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header],
}

/// Every record the log holds in `range` of one partition, in offset order.
#[derive(Debug)]
pub struct RawBatch {
    tp: TopicPartition,
    range: OffsetRange,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    arena: Vec<u8>,
    /// End of key and value of each record in the arena.
    ends: Vec<(u32, u32)>,
    /// Bit 0: key present, bit 1: value present.
    present: Vec<u8>,
    /// (row, headers), rows ascending; most records have none.
    headers: Vec<(u32, Vec<Header>)>,
    reservation: Option<Reservation>,
}

const KEY: u8 = 1;
const VALUE: u8 = 2;

impl RawBatch {
    /// Where the records came from.
    pub fn tp(&self) -> &TopicPartition {
        &self.tp
    }

    /// The offsets this batch accounts for; those without a record are log gaps.
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether the range held no record at all.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Offsets of the records, ascending.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Timestamps of the records, milliseconds since the Unix epoch.
    pub fn timestamps_ms(&self) -> &[i64] {
        &self.timestamps
    }

    /// Value of record `row`; `None` is a tombstone.
    pub fn value(&self, row: usize) -> Option<&[u8]> {
        let (key_end, end) = self.ends[row];
        (self.present[row] & VALUE != 0).then(|| &self.arena[key_end as usize..end as usize])
    }

    /// Headers of record `row`.
    pub fn headers(&self, row: usize) -> &[Header] {
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        self.headers.binary_search_by_key(&row, |(r, _)| *r).map_or(&[], |i| &self.headers[i].1)
    }

    /// Whether any record has headers.
    pub fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Record `row` whole.
    pub fn record(&self, row: usize) -> RawRecord<'_> {
        let start = if row == 0 { 0 } else { self.ends[row - 1].1 };
        let key_end = self.ends[row].0;
        RawRecord {
            offset: Offset(self.offsets[row]),
            timestamp_ms: self.timestamps[row],
            key: (self.present[row] & KEY != 0)
                .then(|| &self.arena[start as usize..key_end as usize]),
            value: self.value(row),
            headers: self.headers(row),
        }
    }

    /// Bytes of keys and values.
    pub fn payload_bytes(&self) -> usize {
        self.arena.len()
    }

    /// Attaches the memory charged for this batch; it is given back when the batch is dropped.
    pub fn charge(&mut self, reservation: Reservation) {
        self.reservation = Some(reservation);
    }
}

/// Collects consecutive records of one partition.
#[derive(Debug)]
pub struct RawBatchBuilder {
    batch: RawBatch,
}

impl RawBatchBuilder {
    /// Starts at `from`, the offset after the last one accounted for.
    pub fn new(tp: TopicPartition, from: Offset) -> Self {
        Self {
            batch: RawBatch {
                tp,
                range: OffsetRange { from, next: from },
                offsets: Vec::new(),
                timestamps: Vec::new(),
                arena: Vec::new(),
                ends: Vec::new(),
                present: Vec::new(),
                headers: Vec::new(),
                reservation: None,
            },
        }
    }

    /// Adds a record; its offset must not be below the end of what is already there.
    pub fn push(&mut self, record: RawRecord<'_>) {
        let b = &mut self.batch;
        assert!(record.offset >= b.range.next, "{}: offsets only grow", b.tp);
        b.range.next = record.offset.next();
        b.offsets.push(record.offset.0);
        b.timestamps.push(record.timestamp_ms);
        b.arena.extend_from_slice(record.key.unwrap_or_default());
        let key_end = b.arena.len();
        b.arena.extend_from_slice(record.value.unwrap_or_default());
        let to_u32 = |n: usize| u32::try_from(n).expect("batches are cut far below 4 GiB");
        b.ends.push((to_u32(key_end), to_u32(b.arena.len())));
        b.present.push(
            if record.key.is_some() { KEY } else { 0 }
                | if record.value.is_some() { VALUE } else { 0 },
        );
        if !record.headers.is_empty() {
            b.headers.push((to_u32(b.offsets.len() - 1), record.headers.to_vec()));
        }
    }

    /// States that the log holds nothing more below `next` (end of partition reached).
    pub fn advance_to(&mut self, next: Offset) {
        if next > self.batch.range.next {
            self.batch.range.next = next;
        }
    }

    /// Bytes of keys and values so far.
    pub fn payload_bytes(&self) -> usize {
        self.batch.arena.len()
    }

    /// Records so far.
    pub fn len(&self) -> usize {
        self.batch.offsets.len()
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.batch.offsets.is_empty()
    }

    /// The batch.
    pub fn finish(self) -> RawBatch {
        self.batch
    }
}
