//! What people are told, case by case.

use super::*;
use crate::model::JobGoal;
use crate::reconcile::testing::goal;
use crate::reconcile::{Policy, next_run};

fn run() -> RunRecord {
    let begun = next_run(&goal(), None, ("r1", "default", "j", "u"), 2, 0);
    RunRecord { state: RunState::Running, running_ms: Some(1), ..begun }
}

fn shown(goal: &JobGoal, run: Option<&RunRecord>) -> JobStatus {
    status(&Want { goal, deleting: false, endless: false }, &Actual { run, seen: None })
}

fn closed(end: RunEnd, failed: bool) -> RunRecord {
    Policy::default().closed(&run(), end, failed, 10)
}

#[test]
fn a_living_run_shows_what_it_is_on_the_way_to() {
    let starting = RunRecord { state: RunState::Starting, ..run() };
    let next = JobGoal { goal: 2, ..goal() };
    let cases = [
        (goal(), starting, JobPhase::Starting),
        (goal(), run(), JobPhase::Running),
        (JobGoal { desired: Desired::Stopped, ..next.clone() }, run(), JobPhase::Stopping),
        (JobGoal { version: 2, ..next.clone() }, run(), JobPhase::Upgrading),
        (JobGoal { parallelism: Some(5), ..next.clone() }, run(), JobPhase::Rescaling),
        (JobGoal { restarts: 1, ..next }, run(), JobPhase::Restarting),
    ];
    for (goal, run, phase) in cases {
        let status = shown(&goal, Some(&run));
        assert_eq!((status.phase, status.observed_goal), (phase, goal.goal));
    }
}

#[test]
fn a_job_without_a_run_shows_why_and_when_the_next_is_due() {
    assert_eq!(shown(&goal(), None).phase, JobPhase::Starting);
    let stop = JobGoal { goal: 2, desired: Desired::Stopped, ..goal() };
    assert_eq!(shown(&stop, None).phase, JobPhase::Stopped);
    assert_eq!(shown(&goal(), Some(&closed(RunEnd::Finished, false))).phase, JobPhase::Finished);
    let failed = |retryable| RunEnd::Failed { reason: "why".into(), retryable };
    let status = shown(&goal(), Some(&closed(failed(false), true)));
    assert_eq!((status.phase, status.reason.as_deref()), (JobPhase::Failed, Some("why")));
    assert_eq!(status.next_start_ms, None);
    let status = shown(&goal(), Some(&closed(failed(true), true)));
    assert_eq!((status.phase, status.reason.as_deref()), (JobPhase::Restarting, Some("why")));
    assert_eq!((status.next_start_ms, status.failures), (Some(510), 1));
    let lost = closed(RunEnd::Lost { reason: "signal 9".into() }, false);
    let status = shown(&stop, Some(&lost));
    assert_eq!(status.phase, JobPhase::Stopped);
    assert_eq!(status.reason.as_deref(), Some("lost: signal 9"));
    let want = Want { goal: &stop, deleting: true, endless: false };
    let deleting = status_of(&want, &lost);
    assert_eq!(deleting.phase, JobPhase::Deleting);
}

fn status_of(want: &Want<'_>, run: &RunRecord) -> JobStatus {
    status(want, &Actual { run: Some(run), seen: None })
}

#[test]
fn a_crash_loop_says_so_with_the_last_reason() {
    let mut run = closed(RunEnd::Lost { reason: "signal 11".into() }, true);
    run.trouble.crash_loop = true;
    run.trouble.barren = 5;
    let status = shown(&goal(), Some(&run));
    assert_eq!(status.phase, JobPhase::Restarting);
    let reason = status.reason.unwrap_or_default();
    assert_eq!(reason, "crash loop: 5 failures without a checkpoint; the last: lost: signal 11");
}
