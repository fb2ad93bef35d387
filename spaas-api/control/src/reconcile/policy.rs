//! How patient the reconciler is: pauses between failures, crash loops, silence.

use std::time::Duration;

use crate::model::{RunEnd, RunRecord, RunState, Trouble};

/// How patient the reconciler is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Pause after the first failure; each further one doubles it. Default 0.5 s.
    pub first_pause: Duration,
    /// Longest pause. Default 60 s.
    pub longest_pause: Duration,
    /// A run that worked for so long ends the row of failures. Default 60 s.
    pub well_after: Duration,
    /// Failures without a checkpoint between them that make a crash loop. Default 5.
    pub loop_failures: i64,
    /// Time within which they make one. Default 10 min.
    pub loop_window: Duration,
    /// Most silence of a worker that has answered before. Default 30 s.
    pub silence: Duration,
    /// Most silence of a worker that has yet to answer: it may be restoring much state. Default
    /// 120 s.
    pub first_silence: Duration,
    /// Most time for a last checkpoint; then the run is killed. Default 10 min.
    pub stop_timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_mins(1),
            well_after: Duration::from_mins(1),
            loop_failures: 5,
            loop_window: Duration::from_mins(10),
            silence: Duration::from_secs(30),
            first_silence: Duration::from_mins(2),
            stop_timeout: Duration::from_mins(10),
        }
    }
}

/// Milliseconds, as times are counted in.
pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Policy {
    /// The pause after so many failures in a row.
    pub fn pause(&self, failures: i64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
        self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause)
    }

    /// The record of a run that has ended so at `now_ms`. `failed`: it counts as a failure, and the
    /// next run waits.
    #[must_use]
    pub fn closed(&self, run: &RunRecord, end: RunEnd, failed: bool, now_ms: i64) -> RunRecord {
        let trouble = if failed { self.one_more(run, now_ms) } else { run.trouble.clone() };
        let pause = ms(self.pause(trouble.failures));
        RunRecord {
            state: RunState::Ended,
            ended_ms: Some(now_ms),
            end: Some(end),
            next_start_ms: failed.then(|| now_ms.saturating_add(pause)),
            trouble,
            ..run.clone()
        }
    }

    fn one_more(&self, run: &RunRecord, now_ms: i64) -> Trouble {
        let last = self.calmed(&run.trouble, run.checkpointed, run.running_ms, now_ms);
        let barren = last.barren + 1;
        let since = last.barren_since_ms.unwrap_or(now_ms);
        let fast = now_ms.saturating_sub(since) <= ms(self.loop_window);
        Trouble {
            failures: last.failures + 1,
            barren,
            barren_since_ms: Some(since),
            crash_loop: last.crash_loop || (barren >= self.loop_failures && fast),
            restarts: last.restarts,
        }
    }

    /// What is left of the trouble of earlier runs once one has made a checkpoint, or has worked
    /// for long.
    pub(super) fn calmed(
        &self,
        trouble: &Trouble,
        checkpointed: bool,
        running_ms: Option<i64>,
        now_ms: i64,
    ) -> Trouble {
        let worked = running_ms.map_or(0, |since| now_ms.saturating_sub(since));
        if worked >= ms(self.well_after) {
            Trouble { restarts: trouble.restarts, ..Trouble::default() }
        } else if checkpointed {
            Trouble { restarts: trouble.restarts, failures: trouble.failures, ..Trouble::default() }
        } else {
            trouble.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::next_run;

    fn run() -> RunRecord {
        let goal = crate::reconcile::testing::goal();
        next_run(&goal, None, ("r", "default", "j", "u"), 1, 0)
    }

    fn lost() -> RunEnd {
        RunEnd::Lost { reason: "gone".to_owned() }
    }

    /// Runs that end one after another: what each did, and when it ended.
    fn row(policy: &Policy, ends: &[(bool, Option<i64>, i64)]) -> Vec<RunRecord> {
        let goal = crate::reconcile::testing::goal();
        let mut last: Option<RunRecord> = None;
        let mut row = Vec::new();
        for &(checkpointed, running_ms, at) in ends {
            let names = ("r", "default", "j", "u");
            let begun = next_run(&goal, last.as_ref(), names, 1, at);
            let run = RunRecord { running_ms, checkpointed, ..begun };
            let closed = policy.closed(&run, lost(), true, at);
            row.push(closed.clone());
            last = Some(closed);
        }
        row
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = Policy::default();
        let pauses: Vec<_> = (1..=9).map(|n| ms(policy.pause(n))).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
        assert_eq!(ms(policy.pause(i64::MAX)), 60_000);
        assert_eq!(ms(policy.pause(0)), 500);
    }

    #[test]
    fn an_end_that_was_wanted_is_no_failure() {
        let closed = Policy::default().closed(&run(), RunEnd::Finished, false, 7);
        assert_eq!((closed.next_start_ms, closed.ended_ms), (None, Some(7)));
        assert_eq!(closed.trouble, Trouble::default());
    }

    #[test]
    fn failures_without_a_checkpoint_become_a_crash_loop_and_a_checkpoint_ends_it() {
        let policy = Policy::default();
        let mut ends: Vec<_> = (1..=6).map(|n| (false, None, n * 1000)).collect();
        ends.push((true, Some(6_500), 7_000));
        let row = row(&policy, &ends);
        let loops: Vec<_> = row.iter().map(|run| run.trouble.crash_loop).collect();
        assert_eq!(loops, [false, false, false, false, true, true, false]);
        assert_eq!((row[6].trouble.barren, row[6].trouble.failures), (1, 7));
        assert_eq!(row[5].trouble.restarts, 5);
        assert_eq!(row[5].next_start_ms, Some(6_000 + 16_000));
    }

    #[test]
    fn failures_far_apart_are_no_crash_loop() {
        let ends: Vec<_> = (1..=8).map(|n| (false, None, n * 200_000)).collect();
        assert!(row(&Policy::default(), &ends).iter().all(|run| !run.trouble.crash_loop));
    }

    #[test]
    fn a_run_that_worked_for_long_ends_the_row_of_failures() {
        let ends = [(false, None, 0), (false, None, 1), (false, Some(2), 60_002)];
        let row = row(&Policy::default(), &ends);
        assert_eq!(row.iter().map(|run| run.trouble.failures).collect::<Vec<_>>(), [1, 2, 1]);
    }
}
