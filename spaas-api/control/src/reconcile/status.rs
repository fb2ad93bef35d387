//! Where a job stands, from what is wanted and what there is.

use crate::model::{Desired, JobPhase, JobStatus, RunEnd, RunRecord, RunState};

use super::decide::{Actual, Want, rests, serves, unwanted};

/// The status to show. What the worker says of itself is added by who shows it.
#[must_use]
pub fn status(want: &Want<'_>, actual: &Actual<'_>) -> JobStatus {
    let (phase, reason) = match actual.run {
        _ if want.deleting => (JobPhase::Deleting, None),
        None if want.goal.desired == Desired::Stopped => (JobPhase::Stopped, None),
        None => (JobPhase::Starting, None),
        Some(run) if run.state == RunState::Ended => at_rest(want, run),
        Some(run) => (under_way(want, run), trouble(run)),
    };
    let run = actual.run;
    JobStatus {
        phase,
        reason,
        observed_goal: want.goal.goal,
        observed_generation: run.map(|run| run.version),
        run: run.map(|run| run.id.clone()),
        restarts: run.map_or(0, |run| run.trouble.restarts),
        failures: run.map_or(0, |run| run.trouble.failures),
        next_start_ms: run
            .and_then(|run| run.next_start_ms)
            .filter(|_| phase == JobPhase::Restarting),
        worker: None,
    }
}

fn under_way(want: &Want<'_>, run: &RunRecord) -> JobPhase {
    let goal = want.goal;
    if !unwanted(want, run) {
        return match run.state {
            RunState::Running if run.trouble.crash_loop => JobPhase::Restarting,
            RunState::Running if run.goal == goal.goal => JobPhase::Running,
            _ if run.trouble.failures > 0 => JobPhase::Restarting,
            _ => JobPhase::Starting,
        };
    }
    if goal.desired == Desired::Stopped {
        JobPhase::Stopping
    } else if run.version != goal.version {
        JobPhase::Upgrading
    } else if goal.parallelism.is_some_and(|wanted| wanted != run.parallelism) {
        JobPhase::Rescaling
    } else {
        JobPhase::Restarting
    }
}

fn at_rest(want: &Want<'_>, run: &RunRecord) -> (JobPhase, Option<String>) {
    let ended = run.end.as_ref().and_then(why);
    if want.goal.desired == Desired::Stopped {
        return (JobPhase::Stopped, ended);
    }
    if run.goal != want.goal.goal {
        let same = serves(run, want.goal);
        return (if same { JobPhase::Starting } else { JobPhase::Upgrading }, None);
    }
    match &run.end {
        Some(RunEnd::Finished) if rests(want, run) => (JobPhase::Finished, None),
        Some(RunEnd::Failed { reason, .. }) if rests(want, run) => {
            (JobPhase::Failed, Some(reason.clone()))
        }
        _ => (JobPhase::Restarting, trouble(run).or(ended)),
    }
}

/// Why a run ended, unless it ended as it should.
pub(super) fn why(end: &RunEnd) -> Option<String> {
    match end {
        RunEnd::Finished | RunEnd::Stopped { .. } => None,
        RunEnd::Failed { reason, .. } => Some(reason.clone()),
        RunEnd::Lost { reason } => Some(format!("lost: {reason}")),
    }
}

fn trouble(run: &RunRecord) -> Option<String> {
    run.trouble.crash_loop.then(|| {
        let last = run.end.as_ref().and_then(why);
        let last = last.map(|why| format!("; the last: {why}")).unwrap_or_default();
        format!("crash loop: {} failures without a checkpoint{last}", run.trouble.barren)
    })
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
