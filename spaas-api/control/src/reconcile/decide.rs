//! The next step from what there is of a job to what is wanted of it.

use crate::launch::Observed;
use crate::model::{Desired, JobGoal, RunEnd, RunRecord, RunState, Trouble};
use crate::worker::{WorkerPhase, WorkerStatus};

use super::policy::{Policy, ms};

/// What is wanted of a job.
#[derive(Debug, Clone, Copy)]
pub struct Want<'a> {
    /// The goal.
    pub goal: &'a JobGoal,
    /// Whether it is to be removed, whatever the goal says.
    pub deleting: bool,
    /// Whether it has no end of its own: the router and the broker. However a run of it ends, there
    /// is another.
    pub endless: bool,
}

/// What there is of a job.
#[derive(Debug, Clone, Copy)]
pub struct Actual<'a> {
    /// Its newest run as it is recorded.
    pub run: Option<&'a RunRecord>,
    /// What the launcher sees from that run; needed only while the run has not ended.
    pub seen: Option<&'a Observed>,
}

/// A step. Whoever takes it may be cut off anywhere within: what is there then leads to a step that
/// goes on from it.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Step {
    /// All is as wanted, or will be without doing anything.
    Rest,
    /// Nothing before this time, in milliseconds since the Unix epoch.
    WaitUntil(i64),
    /// Record a run, so that it is known whatever happens to who starts it.
    Record,
    /// Start the recorded run.
    Start,
    /// Write down what is new about the run.
    Note(Box<RunRecord>),
    /// Write down that the run is to end, and tell it.
    Stop {
        /// The run, told to stop.
        record: Box<RunRecord>,
        /// Whether to bring event time to its end first.
        drain: bool,
    },
    /// End a run that is not the recorded one.
    KillStray(String),
    /// Write down that the run has ended.
    Close {
        /// How.
        end: RunEnd,
        /// Whether it counts as a failure: nobody wanted it to end.
        failed: bool,
        /// Whether it has to be killed first, or kept from ever beginning.
        kill: bool,
    },
    /// Remove what is left of the job.
    Forget,
}

/// The next step.
pub fn decide(want: &Want<'_>, actual: &Actual<'_>, now_ms: i64, policy: &Policy) -> Step {
    match actual.run {
        Some(run) if run.state != RunState::Ended => match actual.seen {
            Some(seen) => with_run(want, run, seen, now_ms, policy),
            None => Step::Rest,
        },
        ended => without_run(want, ended, now_ms),
    }
}

/// Whether the run does what the goal says.
pub(super) fn serves(run: &RunRecord, goal: &JobGoal) -> bool {
    goal.desired == Desired::Running
        && run.version == goal.version
        && run.restarts == goal.restarts
        && goal.parallelism.is_none_or(|wanted| wanted == run.parallelism)
}

/// Whether the run has to go.
pub(super) fn unwanted(want: &Want<'_>, run: &RunRecord) -> bool {
    want.deleting || run.stopping_ms.is_some() || !serves(run, want.goal)
}

fn with_run(
    want: &Want<'_>,
    run: &RunRecord,
    seen: &Observed,
    now_ms: i64,
    policy: &Policy,
) -> Step {
    let unwanted = unwanted(want, run);
    let lost = |reason: String, kill: bool| Step::Close {
        end: RunEnd::Lost { reason },
        failed: !unwanted,
        kill,
    };
    match seen {
        Observed::Ended(end) => {
            let failed = !unwanted && (want.endless || *end != RunEnd::Finished);
            Step::Close { end: end.clone(), failed, kill: false }
        }
        Observed::Absent { begun: true, trace } => {
            let unknown = || "its process is gone without a word".to_owned();
            lost(trace.clone().unwrap_or_else(unknown), false)
        }
        Observed::Absent { begun: false, trace: Some(trace) } if !unwanted => {
            lost(format!("it never began: {trace}"), true)
        }
        Observed::Absent { begun: false, .. } if unwanted => {
            lost("it was not wanted any more before it began".to_owned(), true)
        }
        // It was recorded, and may or may not have been started.
        Observed::Absent { .. } => Step::Start,
        Observed::Alive { run: other, .. } if *other != run.id => Step::KillStray(other.clone()),
        Observed::Alive { status, silent, .. } => {
            let most = if run.running_ms.is_some() { policy.silence } else { policy.first_silence };
            if status.is_none() && *silent >= most {
                let why = format!("it was silent for {} s and was killed", silent.as_secs());
                return lost(why, true);
            }
            if unwanted {
                return stop(want, run, status.as_deref(), now_ms, policy);
            }
            let status = status.as_deref();
            match status.and_then(|status| noted(want.goal, run, status, now_ms, policy)) {
                Some(record) => Step::Note(Box::new(record)),
                None => Step::Rest,
            }
        }
    }
}

fn stop(
    want: &Want<'_>,
    run: &RunRecord,
    status: Option<&WorkerStatus>,
    now_ms: i64,
    policy: &Policy,
) -> Step {
    let wanted_stopped = !want.deleting && want.goal.desired == Desired::Stopped;
    if let Some(since) = run.stopping_ms {
        if now_ms.saturating_sub(since) >= ms(policy.stop_timeout) {
            let reason = "it did not stop in time and was killed".to_owned();
            return Step::Close { end: RunEnd::Lost { reason }, failed: false, kill: true };
        }
        if status.is_some_and(|status| status.phase == WorkerPhase::Stopping) {
            return Step::Rest;
        }
    }
    let savepoint = || want.goal.stop_savepoint.clone().filter(|_| wanted_stopped);
    let record = RunRecord {
        state: RunState::Stopping,
        stopping_ms: run.stopping_ms.or(Some(now_ms)),
        // Of two orders the worker heeds the first.
        savepoint: if run.stopping_ms.is_some() { run.savepoint.clone() } else { savepoint() },
        ..run.clone()
    };
    Step::Stop { record: Box::new(record), drain: wanted_stopped && want.goal.drain }
}

/// The record of a run that answered, if that changes it.
fn noted(
    goal: &JobGoal,
    run: &RunRecord,
    status: &WorkerStatus,
    now_ms: i64,
    policy: &Policy,
) -> Option<RunRecord> {
    let working = status.phase != WorkerPhase::Starting;
    // The number goes on from the checkpoint that the run began with, its time does not.
    let checkpointed =
        status.checkpoint.number > 0 && status.checkpoint.completed_ms >= run.started_ms;
    let running_ms = run.running_ms.or_else(|| working.then_some(now_ms));
    let record = RunRecord {
        state: if working { RunState::Running } else { run.state },
        running_ms,
        checkpointed: run.checkpointed || checkpointed,
        trouble: policy.calmed(&run.trouble, checkpointed, running_ms, now_ms),
        goal: goal.goal,
        ..run.clone()
    };
    (record != *run).then_some(record)
}

fn without_run(want: &Want<'_>, run: Option<&RunRecord>, now_ms: i64) -> Step {
    if want.deleting {
        return Step::Forget;
    }
    if want.goal.desired == Desired::Stopped {
        return Step::Rest;
    }
    match run {
        Some(run) if run.goal == want.goal.goal => match run.next_start_ms {
            _ if rests(want, run) => Step::Rest,
            Some(due) if now_ms < due => Step::WaitUntil(due),
            _ => Step::Record,
        },
        _ => Step::Record,
    }
}

/// Whether the run ended in a way after which nothing is tried until the goal changes.
pub(super) fn rests(want: &Want<'_>, run: &RunRecord) -> bool {
    let over = matches!(run.end, Some(RunEnd::Finished | RunEnd::Failed { retryable: false, .. }));
    over && !want.endless
}

/// The record of the run after `last`, with a new `id`.
#[must_use]
pub fn next_run(
    goal: &JobGoal,
    last: Option<&RunRecord>,
    (id, namespace, job, uid): (&str, &str, &str, &str),
    parallelism: u32,
    now_ms: i64,
) -> RunRecord {
    let trouble = match last {
        Some(last) if last.goal == goal.goal => {
            Trouble { restarts: last.trouble.restarts + 1, ..last.trouble.clone() }
        }
        Some(last) => Trouble { restarts: last.trouble.restarts, ..Trouble::default() },
        None => Trouble::default(),
    };
    RunRecord {
        id: id.to_owned(),
        namespace: namespace.to_owned(),
        job: job.to_owned(),
        uid: uid.to_owned(),
        version: goal.version,
        parallelism,
        restarts: goal.restarts,
        goal: goal.goal,
        state: RunState::Starting,
        started_ms: now_ms,
        stopping_ms: None,
        ended_ms: None,
        end: None,
        savepoint: None,
        running_ms: None,
        checkpointed: false,
        attempt: last.map_or(0, |last| last.attempt) + 1,
        trouble,
        next_start_ms: None,
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "simulation_tests.rs"]
mod simulation;
