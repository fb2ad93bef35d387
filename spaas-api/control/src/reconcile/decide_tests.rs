//! What is decided, case by case.

use std::time::Duration;

use super::*;
use crate::reconcile::testing::{goal, worker};

const NOW: i64 = 100_000;

fn run() -> RunRecord {
    next_run(&goal(), None, ("r1", "default", "j", "u"), 2, 50_000)
}

fn running() -> RunRecord {
    RunRecord { state: RunState::Running, running_ms: Some(60_000), ..run() }
}

fn ended(end: RunEnd, failed: bool) -> RunRecord {
    Policy::default().closed(&running(), end, failed, NOW)
}

fn alive(phase: Option<WorkerPhase>, silent: u64) -> Observed {
    let status = phase.map(|phase| Box::new(worker("r1", phase, 0)));
    Observed::Alive { run: "r1".into(), status, silent: Duration::from_secs(silent) }
}

fn failed(retryable: bool) -> RunEnd {
    RunEnd::Failed { reason: "why".into(), retryable }
}

fn decided(goal: &JobGoal, run: Option<&RunRecord>, seen: Option<&Observed>, now: i64) -> Step {
    let want = Want { goal, deleting: false, endless: false };
    decide(&want, &Actual { run, seen }, now, &Policy::default())
}

fn lost(reason: &str, failed: bool, kill: bool) -> Step {
    Step::Close { end: RunEnd::Lost { reason: reason.into() }, failed, kill }
}

#[test]
fn a_wanted_run_is_recorded_then_started_then_left_alone() {
    let goal = goal();
    assert_eq!(decided(&goal, None, None, NOW), Step::Record);
    let absent = Observed::Absent { begun: false, trace: None };
    assert_eq!(decided(&goal, Some(&run()), Some(&absent), NOW), Step::Start);
    let starting = alive(Some(WorkerPhase::Starting), 0);
    assert_eq!(decided(&goal, Some(&run()), Some(&starting), NOW), Step::Rest);
    let answers = alive(Some(WorkerPhase::Running), 0);
    let Step::Note(noted) = decided(&goal, Some(&run()), Some(&answers), NOW) else { panic!() };
    assert_eq!((noted.state, noted.running_ms), (RunState::Running, Some(NOW)));
    assert_eq!(decided(&goal, Some(&noted), Some(&answers), NOW + 1), Step::Rest);
}

#[test]
fn a_run_that_is_gone_is_closed_as_what_it_was() {
    let goal = goal();
    let cases = [
        (Observed::Ended(RunEnd::Finished), RunEnd::Finished, false, false),
        (Observed::Ended(failed(true)), failed(true), true, false),
        (
            Observed::Ended(RunEnd::Stopped { checkpoint: 4 }),
            RunEnd::Stopped { checkpoint: 4 },
            true,
            false,
        ),
        (
            Observed::Absent { begun: true, trace: Some("signal 9".into()) },
            RunEnd::Lost { reason: "signal 9".into() },
            true,
            false,
        ),
        (
            Observed::Absent { begun: false, trace: Some("exit 1".into()) },
            RunEnd::Lost { reason: "it never began: exit 1".into() },
            true,
            true,
        ),
    ];
    for (seen, end, failed, kill) in cases {
        let expected = Step::Close { end, failed, kill };
        assert_eq!(decided(&goal, Some(&run()), Some(&seen), NOW), expected, "{seen:?}");
    }
}

#[test]
fn silence_is_borne_longer_before_the_first_answer() {
    let goal = goal();
    let (fresh, worked) = (run(), running());
    for (run, silent, killed) in
        [(&fresh, 119, false), (&fresh, 120, true), (&worked, 29, false), (&worked, 30, true)]
    {
        let step = decided(&goal, Some(run), Some(&alive(None, silent)), NOW);
        let why = format!("it was silent for {silent} s and was killed");
        assert_eq!(step, if killed { lost(&why, true, true) } else { Step::Rest }, "{silent}");
    }
}

#[test]
fn what_the_run_does_not_serve_stops_it() {
    let base = JobGoal { goal: 2, ..goal() };
    let goals = [
        JobGoal { version: 2, ..base.clone() },
        JobGoal { restarts: 1, ..base.clone() },
        JobGoal { parallelism: Some(3), ..base.clone() },
        JobGoal { desired: Desired::Stopped, ..base.clone() },
    ];
    for goal in goals {
        let seen = alive(Some(WorkerPhase::Running), 0);
        let step = decided(&goal, Some(&running()), Some(&seen), NOW);
        let Step::Stop { record, drain: false } = step else { panic!("{goal:?}: {step:?}") };
        assert_eq!((record.state, record.stopping_ms), (RunState::Stopping, Some(NOW)));
        assert_eq!(record.goal, 1, "the next run begins at once");
        // Asked again until it says that it heard.
        let again = decided(&goal, Some(&record), Some(&seen), NOW + 5);
        assert_eq!(again, Step::Stop { record: record.clone(), drain: false });
        let stopping = alive(Some(WorkerPhase::Stopping), 0);
        assert_eq!(decided(&goal, Some(&record), Some(&stopping), NOW + 5), Step::Rest);
        let late = NOW + 600_000;
        let step = decided(&goal, Some(&record), Some(&stopping), late);
        assert_eq!(step, lost("it did not stop in time and was killed", false, true));
    }
    let same = JobGoal { parallelism: Some(2), ..base };
    let seen = alive(Some(WorkerPhase::Running), 0);
    let Step::Note(noted) = decided(&same, Some(&running()), Some(&seen), NOW) else { panic!() };
    assert_eq!(noted.goal, 2, "it serves the new goal as it is");
}

#[test]
fn a_stop_carries_drain_and_savepoint_only_if_it_is_the_goal() {
    let stop = JobGoal {
        goal: 2,
        desired: Desired::Stopped,
        drain: true,
        stop_savepoint: Some("s1".into()),
        ..goal()
    };
    let seen = alive(Some(WorkerPhase::Running), 0);
    let Step::Stop { record, drain } = decided(&stop, Some(&running()), Some(&seen), NOW) else {
        panic!()
    };
    assert_eq!((record.savepoint.as_deref(), drain), (Some("s1"), true));
    let want = Want { goal: &stop, deleting: true, endless: false };
    let actual = Actual { run: Some(&running()), seen: Some(&seen) };
    let Step::Stop { record, drain } = decide(&want, &actual, NOW, &Policy::default()) else {
        panic!()
    };
    assert_eq!((record.savepoint, drain), (None, false), "nobody needs it any more");
    let upgrade = JobGoal { desired: Desired::Running, version: 2, ..stop };
    let Step::Stop { record, drain } = decided(&upgrade, Some(&running()), Some(&seen), NOW) else {
        panic!()
    };
    assert_eq!((record.savepoint, drain), (None, false));
}

#[test]
fn a_run_that_is_not_wanted_any_more_never_begins_and_is_no_failure() {
    let halt = JobGoal { goal: 2, desired: Desired::Stopped, ..goal() };
    for trace in [None, Some("exit 1".to_owned())] {
        let seen = Observed::Absent { begun: false, trace };
        let step = decided(&halt, Some(&run()), Some(&seen), NOW);
        assert_eq!(step, lost("it was not wanted any more before it began", false, true));
    }
}

#[test]
fn another_run_that_is_alive_is_ended() {
    let other = Observed::Alive { run: "r0".into(), status: None, silent: Duration::ZERO };
    let step = decided(&goal(), Some(&run()), Some(&other), NOW);
    assert_eq!(step, Step::KillStray("r0".into()));
}

#[test]
fn after_an_end_the_job_rests_waits_or_starts_again() {
    let goal = goal();
    let rest = [ended(RunEnd::Finished, false), ended(failed(false), true)];
    for run in &rest {
        assert_eq!(decided(&goal, Some(run), None, NOW + 1_000_000), Step::Rest);
        let changed = JobGoal { goal: 2, restarts: 1, ..goal.clone() };
        assert_eq!(decided(&changed, Some(run), None, NOW), Step::Record);
        let want = Want { goal: &goal, deleting: false, endless: true };
        let actual = Actual { run: Some(run), seen: None };
        let later = decide(&want, &actual, NOW + 1_000_000, &Policy::default());
        assert_eq!(later, Step::Record, "what is endless starts again");
    }
    let run = ended(failed(true), true);
    assert_eq!(decided(&goal, Some(&run), None, NOW + 499), Step::WaitUntil(NOW + 500));
    assert_eq!(decided(&goal, Some(&run), None, NOW + 500), Step::Record);
    let halt = JobGoal { goal: 2, desired: Desired::Stopped, ..goal };
    assert_eq!(decided(&halt, Some(&run), None, NOW), Step::Rest);
    assert_eq!(decided(&halt, None, None, NOW), Step::Rest);
    let want = Want { goal: &halt, deleting: true, endless: false };
    for run in [None, Some(&run)] {
        let step = decide(&want, &Actual { run, seen: None }, NOW, &Policy::default());
        assert_eq!(step, Step::Forget);
    }
}

#[test]
fn a_run_is_well_once_it_made_a_checkpoint_of_its_own() {
    let goal = goal();
    let trouble = Trouble { failures: 6, barren: 6, crash_loop: true, ..Trouble::default() };
    let run = RunRecord { trouble, ..running() };
    for (completed_ms, own) in [(49_999, false), (50_000, true)] {
        let status = worker("r1", WorkerPhase::Running, completed_ms);
        let seen = Observed::Alive {
            run: "r1".into(),
            status: Some(Box::new(status)),
            silent: Duration::ZERO,
        };
        match decided(&goal, Some(&run), Some(&seen), NOW) {
            Step::Note(noted) if own => {
                assert!(noted.checkpointed && !noted.trouble.crash_loop);
                assert_eq!(noted.trouble.failures, 6, "the pause is not forgotten so soon");
            }
            step => assert!(!own && step == Step::Rest, "{step:?}"),
        }
    }
}
