//! Watermarks: how one comes from rows, and how several become one. Pure.

use crate::{END_OF_TIME, Micros, NO_WATERMARK};

/// What is known of event time on one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InputTime {
    watermark: Micros,
    idle: bool,
}

/// What changed by a message of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeChange {
    /// Event time came forward to this.
    Watermark(Micros),
    /// The last input that was not idle is idle now.
    Idle,
}

/// Joins the watermarks of several inputs: the minimum of those that are not idle, never going
/// back.
#[derive(Debug, Clone)]
pub(crate) struct WatermarkMerge {
    inputs: Vec<InputTime>,
    combined: Micros,
    idle: bool,
    /// Whether readers know `combined`: after a restart they have forgotten it.
    told: bool,
}

impl WatermarkMerge {
    /// `inputs` inputs, none of which said anything; `floor` is what was reached before a restart.
    pub(crate) fn new(inputs: usize, floor: Micros) -> Self {
        let input = InputTime { watermark: NO_WATERMARK, idle: false };
        Self {
            inputs: vec![input; inputs],
            combined: floor,
            idle: false,
            told: floor == NO_WATERMARK,
        }
    }

    /// The joined watermark.
    pub(crate) fn combined(&self) -> Micros {
        self.combined
    }

    /// Input `input` has come to `watermark`; it is not idle.
    pub(crate) fn watermark(&mut self, input: usize, watermark: Micros) -> Option<TimeChange> {
        let known = &mut self.inputs[input];
        known.watermark = known.watermark.max(watermark);
        known.idle = false;
        // Readers left this input out while it was idle: tell them again where it is.
        let woke = std::mem::replace(&mut self.idle, false);
        let forgotten = !std::mem::replace(&mut self.told, true);
        self.advance().or((woke || forgotten).then_some(TimeChange::Watermark(self.combined)))
    }

    /// Input `input` says nothing until further notice.
    pub(crate) fn idle(&mut self, input: usize) -> Option<TimeChange> {
        self.inputs[input].idle = true;
        if self.inputs.iter().all(|input| input.idle) {
            return (!std::mem::replace(&mut self.idle, true)).then_some(TimeChange::Idle);
        }
        self.advance()
    }

    fn advance(&mut self) -> Option<TimeChange> {
        let active = self.inputs.iter().filter(|input| !input.idle);
        let least = active.map(|input| input.watermark).min()?;
        if least <= self.combined {
            return None;
        }
        self.combined = least;
        Some(TimeChange::Watermark(least))
    }
}

/// Event time of one split: the maximum seen minus the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SplitTime {
    delay: Micros,
    watermark: Micros,
}

impl SplitTime {
    /// A split that had come to `watermark` before a restart.
    pub(crate) fn new(delay: Micros, watermark: Micros) -> Self {
        Self { delay, watermark }
    }

    /// Rows up to event time `greatest` were seen.
    pub(crate) fn seen(&mut self, greatest: Micros) {
        self.watermark = self.watermark.max(greatest.saturating_sub(self.delay));
    }

    /// No row will follow.
    pub(crate) fn ended(&mut self) {
        self.watermark = END_OF_TIME;
    }

    /// The split's watermark.
    pub(crate) fn watermark(&self) -> Micros {
        self.watermark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_input_that_is_not_idle_sets_the_time() {
        let mut merge = WatermarkMerge::new(3, NO_WATERMARK);
        assert_eq!(merge.watermark(0, 10), None);
        assert_eq!(merge.watermark(1, 5), None);
        assert_eq!(merge.watermark(2, 7), Some(TimeChange::Watermark(5)));
        assert_eq!(merge.idle(1), Some(TimeChange::Watermark(7)));
        assert_eq!(merge.watermark(1, 6), None, "time never goes back");
        assert_eq!(merge.watermark(1, 8), None);
        assert_eq!(merge.watermark(2, 9), Some(TimeChange::Watermark(8)));
    }

    #[test]
    fn idleness_is_told_once_and_ends_with_the_next_watermark() {
        let mut merge = WatermarkMerge::new(2, NO_WATERMARK);
        merge.watermark(0, 3);
        merge.watermark(1, 3);
        assert_eq!(merge.idle(0), None);
        assert_eq!(merge.idle(1), Some(TimeChange::Idle));
        assert_eq!(merge.idle(1), None);
        assert_eq!(merge.watermark(0, 2), Some(TimeChange::Watermark(3)), "awake, and not back");
        assert_eq!(merge.watermark(0, 4), Some(TimeChange::Watermark(4)));
        assert_eq!(merge.combined(), 4);
    }

    #[test]
    fn what_was_reached_before_a_restart_is_told_again() {
        let mut merge = WatermarkMerge::new(2, END_OF_TIME);
        let told = Some(TimeChange::Watermark(END_OF_TIME));
        assert_eq!(merge.watermark(0, END_OF_TIME), told);
        assert_eq!(merge.watermark(1, END_OF_TIME), None);
    }

    #[test]
    fn a_split_is_behind_its_greatest_row_by_the_delay() {
        let mut split = SplitTime::new(5, NO_WATERMARK);
        split.seen(100);
        split.seen(50);
        assert_eq!(split.watermark(), 95);
        split.ended();
        assert_eq!(split.watermark(), END_OF_TIME);
    }
}
