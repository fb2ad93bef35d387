//! Which seconds of a title were played, and when last.

use datafusion::common::Result;

use crate::coding::{Reader, put_i64, put_u64};

/// Seconds `from..to`, last played in the report of `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    from: i64,
    to: i64,
    time: i64,
}

/// Disjoint segments in ascending order; neighbours differ in their time.
///
/// The time of each second is kept since a deletion may come after reports that are later than it:
/// they stay, those before it go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Coverage(Vec<Segment>);

/// Appends a segment, or makes the last one longer.
fn push(segments: &mut Vec<Segment>, from: i64, to: i64, time: i64) {
    match segments.last_mut() {
        _ if from >= to => {}
        Some(last) if last.to == from && last.time == time => last.to = to,
        _ => segments.push(Segment { from, to, time }),
    }
}

impl Coverage {
    /// Seconds `from..to` were played at `time`.
    pub(super) fn play(&mut self, from: i64, to: i64, time: i64) {
        if from >= to {
            return;
        }
        // Those that touch it too, since they may become one with it.
        let first = self.0.partition_point(|segment| segment.to < from);
        let last = self.0.partition_point(|segment| segment.from <= to);
        let mut played = Vec::with_capacity(last - first + 2);
        let mut next = from;
        for segment in &self.0[first..last] {
            push(&mut played, segment.from, segment.to.min(from), segment.time);
            let (begin, end) = (segment.from.max(from), segment.to.min(to));
            push(&mut played, next, begin.min(to), time);
            push(&mut played, begin, end, time.max(segment.time));
            next = next.max(end).max(begin.min(to));
            push(&mut played, segment.from.max(to), segment.to, segment.time);
        }
        push(&mut played, next, to, time);
        self.0.splice(first..last, played);
    }

    /// Forgets what was last played at `time` or before.
    pub(super) fn forget(&mut self, time: i64) {
        self.0.retain(|segment| segment.time > time);
    }

    /// Adds what another has seen.
    pub(super) fn merge(&mut self, other: &Self) {
        for segment in &other.0 {
            self.play(segment.from, segment.to, segment.time);
        }
    }

    /// How many seconds were played; the greatest number if they are more than that.
    pub(super) fn seconds(&self) -> i64 {
        let lengths = self.0.iter().map(|segment| segment.to.saturating_sub(segment.from));
        lengths.fold(0, i64::saturating_add)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, self.0.len() as u64);
        let (mut end, mut time) = (0, 0_i64);
        for segment in &self.0 {
            // Modulo 2⁶⁴: whatever positions players report, the state gives them back.
            put_i64(out, segment.from.wrapping_sub(end));
            put_i64(out, segment.to.wrapping_sub(segment.from));
            put_i64(out, segment.time.wrapping_sub(time));
            (end, time) = (segment.to, segment.time);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let count = reader.usize()?;
        let (mut segments, mut end, mut time) = (Vec::new(), 0, 0_i64);
        for _ in 0..count {
            let from = reader.i64()?.wrapping_add(end);
            end = reader.i64()?.wrapping_add(from);
            time = time.wrapping_add(reader.i64()?);
            segments.push(Segment { from, to: end, time });
        }
        Ok(Self(segments))
    }
}
