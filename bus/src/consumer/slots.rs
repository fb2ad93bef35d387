//! Where each started partition stands, and the batches being collected.

use std::collections::HashMap;

use millrace_events::{Offset, RawBatch, RawBatchBuilder, RawRecord, TopicPartition};

use super::native::Place;

/// Bytes a record costs besides key, value and headers.
const RECORD_OVERHEAD: usize = 40;

#[derive(Debug)]
struct Slot {
    tp: TopicPartition,
    /// The next batch's range starts here or, while one is open, ends here.
    position: Offset,
    /// The end of the log as it was when the partition was started.
    end: Offset,
    open: Option<RawBatchBuilder>,
}

/// Started partitions. Records of others are dropped.
#[derive(Debug, Default)]
pub(super) struct Slots {
    all: Vec<Slot>,
    index: HashMap<TopicPartition, usize>,
    /// Places seen since partitions last changed. An address means nothing after that.
    places: HashMap<Place, usize>,
    last: Option<(Place, usize)>,
    touched: Vec<usize>,
    bytes: usize,
}

impl Slots {
    /// Starts `tp` at `position`, or moves it there; anything collected of it is dropped.
    pub(super) fn start(&mut self, tp: TopicPartition, position: Offset, end: Offset) {
        self.stop(&tp);
        self.index.insert(tp.clone(), self.all.len());
        self.all.push(Slot { tp, position, end, open: None });
    }

    /// Forgets `tp`; anything collected of it is dropped. `false` if it was not started.
    pub(super) fn stop(&mut self, tp: &TopicPartition) -> bool {
        self.places.clear();
        self.last = None;
        let Some(at) = self.index.remove(tp) else { return false };
        self.all.swap_remove(at);
        if let Some(moved) = self.all.get(at) {
            self.index.insert(moved.tp.clone(), at);
        }
        self.touched = (0..self.all.len()).filter(|i| self.all[*i].open.is_some()).collect();
        true
    }

    /// Where `tp` stands.
    pub(super) fn position(&self, tp: &TopicPartition) -> Option<Offset> {
        self.index.get(tp).map(|at| self.all[*at].position)
    }

    /// Every started partition with its position and the end known when it was started.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, Offset, Offset)> {
        self.all.iter().map(|s| (&s.tp, s.position, s.end))
    }

    /// Bytes collected since the last `cut`.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a record, unless its partition is not started or the record is from before the
    /// position.
    pub(super) fn push(&mut self, place: Place, topic: &str, record: RawRecord<'_>) {
        let Some(at) = self.find(place, topic) else { return };
        let slot = &mut self.all[at];
        if record.offset < slot.position {
            return;
        }
        let headers = record.headers.iter();
        let headers: usize = headers
            .map(|h| 48 + h.name.len() + h.value.as_ref().map_or(0, bytes::Bytes::len))
            .sum();
        self.bytes += RECORD_OVERHEAD
            + record.key.map_or(0, <[u8]>::len)
            + record.value.map_or(0, <[u8]>::len)
            + headers;
        if slot.open.is_none() {
            self.touched.push(at);
        }
        slot.builder().push(record);
        slot.position = record.offset.next();
    }

    /// The log ends at `offset`: what is missing before it does not exist.
    pub(super) fn reached_end(&mut self, tp: &TopicPartition, offset: Offset) {
        let Some(at) = self.index.get(tp).copied() else { return };
        let slot = &mut self.all[at];
        if offset <= slot.position {
            return;
        }
        if slot.open.is_none() {
            self.touched.push(at);
        }
        slot.builder().advance_to(offset);
        slot.position = offset;
    }

    /// Hands over what was collected, one batch a partition.
    pub(super) fn cut(&mut self) -> Vec<RawBatch> {
        self.bytes = 0;
        let slots = &mut self.all;
        let finish = |at: usize| slots[at].open.take().map(RawBatchBuilder::finish);
        self.touched.drain(..).filter_map(finish).collect()
    }

    fn find(&mut self, place: Place, topic: &str) -> Option<usize> {
        if let Some((last, at)) = self.last
            && last == place
        {
            return Some(at);
        }
        let at = if let Some(at) = self.places.get(&place) {
            *at
        } else {
            let of = |s: &Slot| s.tp.partition.0 == place.1 && *s.tp.topic == *topic;
            self.all.iter().position(of)?
        };
        self.places.insert(place, at);
        self.last = Some((place, at));
        Some(at)
    }
}

impl Slot {
    /// The open batch; a new one starts at the position, which the caller moves afterwards.
    fn builder(&mut self) -> &mut RawBatchBuilder {
        let (tp, from) = (&self.tp, self.position);
        self.open.get_or_insert_with(|| RawBatchBuilder::new(tp.clone(), from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, value: &'static [u8]) -> RawRecord<'static> {
        RawRecord {
            offset: Offset(offset),
            timestamp_ms: 0,
            key: None,
            value: Some(value),
            headers: &[],
        }
    }

    fn ranges(batches: &[RawBatch]) -> Vec<(i64, i64, usize)> {
        batches.iter().map(|b| (b.range().from.0, b.range().next.0, b.len())).collect()
    }

    #[test]
    fn ranges_are_contiguous_over_gaps_and_ends() {
        let (mut slots, tp) = (Slots::default(), TopicPartition::new("t", 0));
        slots.start(tp.clone(), Offset(5), Offset(20));
        slots.push((1, 0), "t", record(7, b"a"));
        slots.push((1, 0), "t", record(8, b"b"));
        assert_eq!(ranges(&slots.cut()), [(5, 9, 2)]);
        slots.reached_end(&tp, Offset(12));
        assert_eq!(
            ranges(&slots.cut()),
            [(9, 12, 0)],
            "a gap at the end is a batch without records"
        );
        slots.reached_end(&tp, Offset(12));
        assert!(slots.cut().is_empty(), "nothing new, no batch");
        slots.push((1, 0), "t", record(12, b"c"));
        slots.reached_end(&tp, Offset(14));
        assert_eq!(ranges(&slots.cut()), [(12, 14, 1)]);
        assert_eq!(slots.position(&tp), Some(Offset(14)));
    }

    #[test]
    fn only_started_partitions_deliver_and_only_from_their_position() {
        let mut slots = Slots::default();
        let (a, b) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
        slots.start(a.clone(), Offset(3), Offset(9));
        slots.push((1, 0), "t", record(2, b"before"));
        slots.push((1, 1), "t", record(3, b"not started"));
        slots.push((2, 0), "other", record(3, b"other topic"));
        assert!(slots.cut().is_empty());
        slots.start(b.clone(), Offset(0), Offset(9));
        slots.push((1, 0), "t", record(3, b"x"));
        slots.push((1, 1), "t", record(0, b"y"));
        assert!(slots.stop(&a));
        let rest = slots.cut();
        assert_eq!(
            (rest.len(), rest[0].tp()),
            (1, &b),
            "what was collected of a stopped one is gone"
        );
        slots.push((1, 1), "t", record(1, b"z"));
        assert_eq!(ranges(&slots.cut()), [(1, 2, 1)], "the other keeps its place");
    }

    #[test]
    fn a_handle_reused_for_another_topic_is_not_mistaken() {
        let mut slots = Slots::default();
        let (a, b) = (TopicPartition::new("a", 0), TopicPartition::new("b", 0));
        slots.start(a.clone(), Offset(0), Offset(9));
        slots.push((7, 0), "a", record(0, b"a"));
        slots.stop(&a);
        slots.start(b.clone(), Offset(0), Offset(9));
        slots.push((7, 0), "b", record(0, b"b"));
        let batches = slots.cut();
        assert_eq!((batches.len(), batches[0].tp()), (1, &b));
    }
}
