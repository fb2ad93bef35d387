//! What only its reader knows of a split: bytes, rows it had to leave out, and how far the end is.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of one split, written by its reader whenever they change and read by whoever asks: the
/// end moves on even while the job takes no rows.
#[derive(Debug, Default)]
pub struct SplitMeter {
    bytes: AtomicU64,
    dead_letters: AtomicU64,
    /// Next row to give.
    next: AtomicU64,
    /// Two more than the number of the last row; 0 until it is known.
    end: AtomicU64,
}

impl SplitMeter {
    /// `bytes` were given to the job as rows or as dead letters, of which there were so many.
    pub fn gave(&self, bytes: u64, dead_letters: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.dead_letters.fetch_add(dead_letters, Ordering::Relaxed);
    }

    /// The job has been given everything before row `next`.
    pub fn is_at(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }

    /// The split ends before row `end`, for now or for ever.
    pub fn ends_at(&self, end: u64) {
        self.end.store(end.saturating_add(1), Ordering::Relaxed);
    }

    /// Bytes given.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Dead letters given.
    pub fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }

    /// Rows that are there and were not given; `None` while the end is unknown.
    pub fn lag(&self) -> Option<u64> {
        let end = self.end.load(Ordering::Relaxed).checked_sub(1)?;
        Some(end.saturating_sub(self.next.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_what_is_left_to_the_end() {
        let meter = SplitMeter::default();
        assert_eq!(meter.lag(), None);
        meter.is_at(3);
        meter.ends_at(10);
        assert_eq!(meter.lag(), Some(7));
        meter.is_at(11);
        assert_eq!(meter.lag(), Some(0), "the end was told before the rows");
        let empty = SplitMeter::default();
        empty.ends_at(0);
        assert_eq!(empty.lag(), Some(0), "a split without rows is read to its end");
    }
}
