//! Goals after puts.

use super::*;

fn old() -> JobGoal {
    JobGoal { parallelism: Some(4), state: StatePolicy::AllowDropped, ..first(&default()) }
}

fn default() -> JobGoalChange {
    JobGoalChange::default()
}

fn first(change: &JobGoalChange) -> JobGoal {
    next_goal(None, change, 1, true, false)
}

#[test]
fn a_new_job_is_to_run_unless_told_otherwise() {
    assert_eq!((first(&default()).goal, first(&default()).desired), (1, Desired::Running));
    let stopped = JobGoalChange { desired: Some(Desired::Stopped), ..default() };
    assert_eq!(first(&stopped).desired, Desired::Stopped);
}

#[test]
fn the_same_again_changes_nothing() {
    assert_eq!(next_goal(Some(&old()), &default(), 1, false, false), old());
    let running = JobGoalChange { desired: Some(Desired::Running), ..default() };
    assert_eq!(next_goal(Some(&old()), &running, 1, false, false), old());
}

#[test]
fn a_job_that_was_refused_begins_anew_with_what_is_allowed_now() {
    let again = |state| JobGoalChange { state, again: true, ..default() };
    let fresh = next_goal(Some(&old()), &again(StatePolicy::Fresh), 1, false, false);
    assert_eq!((fresh.goal, fresh.state, fresh.restarts), (2, StatePolicy::Fresh, 0));
    let once_more = next_goal(Some(&fresh), &again(StatePolicy::Fresh), 1, false, false);
    assert_eq!((once_more.goal, once_more.state, once_more.restarts), (3, StatePolicy::Fresh, 1));
    let kept = next_goal(Some(&fresh), &again(StatePolicy::Keep), 1, false, false);
    assert_eq!((kept.goal, kept.state), (3, StatePolicy::Keep));
}

#[test]
fn a_new_version_keeps_the_size_chosen_by_hand_but_not_what_the_last_upgrade_was_allowed() {
    let new = next_goal(Some(&old()), &default(), 2, true, false);
    assert_eq!((new.goal, new.version), (2, 2));
    assert_eq!((new.parallelism, new.state), (Some(4), StatePolicy::Keep));
    assert_eq!(next_goal(Some(&old()), &default(), 2, true, true).parallelism, None);
}

#[test]
fn putting_the_newest_version_ends_a_rollback() {
    let rolled_back = JobGoal { version: 1, goal: 7, ..old() };
    let new = next_goal(Some(&rolled_back), &default(), 3, false, false);
    assert_eq!((new.goal, new.version), (8, 3));
}

#[test]
fn a_stopped_job_stays_stopped_until_it_is_deployed_and_then_forgets_how_it_stopped() {
    let stopped = JobGoal {
        desired: Desired::Stopped,
        stop_savepoint: Some("s".into()),
        drain: true,
        ..old()
    };
    assert_eq!(next_goal(Some(&stopped), &default(), 2, true, false).desired, Desired::Stopped);
    let deploy = JobGoalChange { desired: Some(Desired::Running), ..default() };
    let new = next_goal(Some(&stopped), &deploy, 2, true, false);
    assert_eq!((new.desired, new.stop_savepoint, new.drain), (Desired::Running, None, false));
}

#[test]
fn every_change_has_its_word() {
    let changed = |f: fn(&mut JobGoal)| {
        let mut new = old();
        f(&mut new);
        in_words(&old(), &new).0
    };
    assert_eq!(changed(|g| g.version = 2), "UpgradeRequested");
    assert_eq!(changed(|g| g.version = 0), "RollbackRequested");
    assert_eq!(changed(|g| g.desired = Desired::Stopped), "StopRequested");
    assert_eq!(changed(|g| g.parallelism = None), "RescaleRequested");
    assert_eq!(changed(|g| g.restarts = 1), "RestartRequested");
    assert_eq!(changed(|g| g.state = StatePolicy::Fresh), "GoalChanged");
}
