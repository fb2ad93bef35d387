//! Idempotent producers: a batch that was appended is not appended again, and none is left out.

use std::collections::HashMap;

use super::batch::Header;

/// Why a batch does not follow what its producer sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It is in the log already.
    Duplicate,
    /// Something before it is missing.
    OutOfOrder,
    /// A newer instance of the producer has written.
    OldEpoch,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    epoch: i16,
    /// Sequence number the next batch must have.
    next: i32,
}

/// What each producer wrote to one partition, rebuilt from the log when it is opened.
#[derive(Debug, Default)]
pub(super) struct Producers(HashMap<i64, Last>);

impl Producers {
    /// Whether `batch` may be appended now.
    pub(super) fn check(&self, batch: &Header) -> Result<(), Misfit> {
        if batch.producer < 0 {
            return Ok(());
        }
        let expected = match self.0.get(&batch.producer) {
            Some(last) if batch.epoch < last.epoch => return Err(Misfit::OldEpoch),
            Some(last) if batch.epoch == last.epoch => last.next,
            _ => 0,
        };
        // Sequence numbers wrap around: what is less than half the circle behind was there before.
        match batch.sequence.wrapping_sub(expected) & i32::MAX {
            0 => Ok(()),
            ahead if ahead > i32::MAX / 2 => Err(Misfit::Duplicate),
            _ => Err(Misfit::OutOfOrder),
        }
    }

    /// `batch` is in the log.
    pub(super) fn wrote(&mut self, batch: &Header) {
        if batch.producer >= 0 {
            let width = i32::try_from(batch.width()).unwrap_or(i32::MAX);
            let next = batch.sequence.wrapping_add(width) & i32::MAX;
            self.0.insert(batch.producer, Last { epoch: batch.epoch, next });
        }
    }
}
