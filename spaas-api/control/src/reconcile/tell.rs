//! What people are told: events for everything that happens to runs.

use crate::model::{EventKind, RunEnd, RunRecord, RunState};

/// An event to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) level: EventKind,
    pub(super) what: &'static str,
    pub(super) message: String,
}

fn normal(what: &'static str, message: String) -> Told {
    Told { level: EventKind::Normal, what, message }
}

fn warning(what: &'static str, message: String) -> Told {
    Told { level: EventKind::Warning, what, message }
}

/// Of a run that was just recorded.
pub(super) fn started(run: &RunRecord) -> Told {
    let RunRecord { attempt, version, parallelism, id, .. } = run;
    let message =
        format!("run {attempt} starts: version {version}, parallelism {parallelism} ({id})");
    normal("RunStarted", message)
}

/// Of a stray run that was killed.
pub(super) fn stray(run: &str) -> Told {
    warning("StrayKilled", format!("run {run} was alive but is not the recorded one: killed"))
}

/// Of what changed between two records of one run.
pub(super) fn changed(before: &RunRecord, after: &RunRecord) -> Vec<Told> {
    let attempt = after.attempt;
    let mut told = Vec::new();
    if before.running_ms.is_none() && after.running_ms.is_some() {
        told.push(normal("RunReady", format!("run {attempt} works")));
    }
    if before.stopping_ms.is_none() && after.stopping_ms.is_some() {
        told.push(normal("Stopping", format!("run {attempt} was told to stop")));
    }
    if before.state != RunState::Ended
        && let Some(end) = &after.end
    {
        told.push(ended(after, end));
    }
    if !before.trouble.crash_loop && after.trouble.crash_loop {
        let count = after.trouble.barren;
        let message =
            format!("{count} failures without a checkpoint; starts go on, at long pauses");
        told.push(warning("CrashLoop", message));
    }
    told
}

fn ended(run: &RunRecord, end: &RunEnd) -> Told {
    let attempt = run.attempt;
    let next = match (run.next_start_ms, run.ended_ms) {
        (Some(due), Some(at)) if !matches!(end, RunEnd::Failed { retryable: false, .. }) => {
            let pause = u32::try_from((due - at).max(0)).map_or(0.0, f64::from) / 1000.0;
            format!("; the next starts in {pause} s")
        }
        _ => String::new(),
    };
    match end {
        RunEnd::Finished => {
            normal("RunFinished", format!("run {attempt} has finished: all input is processed"))
        }
        RunEnd::Stopped { checkpoint: 0 } => {
            normal("Stopped", format!("run {attempt} stopped without a checkpoint{next}"))
        }
        RunEnd::Stopped { checkpoint } => {
            normal("Stopped", format!("run {attempt} stopped after checkpoint {checkpoint}{next}"))
        }
        RunEnd::Failed { reason, .. } => {
            warning("RunFailed", format!("run {attempt} failed: {reason}{next}"))
        }
        RunEnd::Lost { reason } => {
            warning("RunLost", format!("run {attempt} is gone: {reason}{next}"))
        }
    }
}

/// Of a savepoint that nobody waits for: of a stop, or of a control plane that is gone.
pub(super) fn savepoint(id: &str, outcome: &Result<u64, String>) -> Told {
    match outcome {
        Ok(checkpoint) => {
            let message = format!("savepoint {id} is complete: checkpoint {checkpoint}");
            normal("SavepointComplete", message)
        }
        Err(why) => warning("SavepointFailed", format!("savepoint {id} was not made: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::testing::goal;
    use crate::reconcile::{Policy, next_run};

    #[test]
    fn a_run_tells_its_story_and_a_crash_loop_once() {
        let policy = Policy::default();
        let mut last: Option<RunRecord> = None;
        let mut story = Vec::new();
        for n in 0..6_i64 {
            let run = next_run(&goal(), last.as_ref(), ("r", "default", "j", "u"), 2, n);
            story.push(started(&run));
            let closed =
                policy.closed(&run, RunEnd::Lost { reason: "signal 9".into() }, true, n * 10);
            story.extend(changed(&run, &closed));
            last = Some(closed);
        }
        assert_eq!(story[0].message, "run 1 starts: version 1, parallelism 2 (r)");
        assert_eq!(story[1].message, "run 1 is gone: signal 9; the next starts in 0.5 s");
        let loops: Vec<_> = (0..story.len()).filter(|&at| story[at].what == "CrashLoop").collect();
        assert_eq!(loops, [10]);
    }

    #[test]
    fn an_end_that_is_final_promises_no_start() {
        let run = next_run(&goal(), None, ("r", "default", "j", "u"), 2, 0);
        let end = RunEnd::Failed { reason: "no such column".into(), retryable: false };
        let closed = Policy::default().closed(&run, end, true, 5);
        let told = changed(&run, &closed);
        assert_eq!(told, [warning("RunFailed", "run 1 failed: no such column".into())]);
    }
}
