//! Jobs: goals, runs, savepoints, statuses.

use serde_json::json;

use millrace_control::model::{
    Desired, JobGoal, JobPhase, Kind, RunEnd, RunState, Savepoint, SavepointState, StatePolicy,
};
use millrace_control::store::{
    EventFilter, JobGoalChange, Page, Put, PutOutcome, StatusOf, StoreError,
};

use crate::database::{Database, Tested, on_every_database};
use crate::support::{job, put, removal, run, status};

on_every_database!(
    a_goals_number_grows_with_every_change,
    a_version_of_a_job_is_a_goal,
    a_job_has_one_run_at_a_time,
    runs_are_listed_newest_first,
    all_that_a_decision_needs_comes_at_once,
    savepoints_are_kept_until_they_or_the_job_are_removed,
);

async fn a_goals_number_grows_with_every_change(database: &Database) -> Tested {
    let store = database.open().await?;
    store.put(job("j", "x")).await?;
    let changed = store.changed();
    let stop = |g: &mut millrace_control::model::JobGoal| {
        g.desired = Desired::Stopped;
        g.goal = 77;
    };
    let goal = store.set_goal("default", "j", Some(1), stop, "bob", Some("night"), 9).await?;
    assert_eq!((goal.goal, goal.desired), (2, Desired::Stopped));
    assert!(changed.has_changed()?);
    assert_eq!(store.goal("default", "j").await?.as_ref(), Some(&goal));
    let again = store.set_goal("default", "j", None, stop, "bob", None, 10).await?;
    assert_eq!(again, goal, "asking twice is asking once");
    match store.set_goal("default", "j", Some(1), |g| g.restarts += 1, "bob", None, 11).await {
        Err(StoreError::Conflict { current }) => assert_eq!(current, 2),
        other => panic!("not {other:?}"),
    }
    let missing = store.set_goal("default", "k", None, |g| g.restarts += 1, "bob", None, 12).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
    let filter = EventFilter { name: Some("j"), ..EventFilter::default() };
    let events = store.events(filter, 0, 10).await?;
    let last = events.last().ok_or("there are events")?;
    assert_eq!((last.what.as_str(), last.author.as_str()), ("StopRequested", "bob"));
    assert_eq!((last.message.as_str(), last.at_ms), ("is to stop: night", 9));
    Ok(())
}

async fn a_version_of_a_job_is_a_goal(database: &Database) -> Tested {
    let store = database.open().await?;
    let change = |state| Some(JobGoalChange { state, ..JobGoalChange::default() });
    store.put(job("j", "one")).await?;
    let fresh = Put { goal: change(StatePolicy::Fresh), ..job("j", "two") };
    store.put(fresh).await?;
    let goal = store.goal("default", "j").await?.ok_or("a goal")?;
    assert_eq!((goal.goal, goal.version, goal.state), (2, 2, StatePolicy::Fresh));

    store.set_goal("default", "j", None, |g| g.version = 1, "ann", None, 3).await?;
    let (resource, outcome) = store.put(job("j", "two")).await?;
    assert_eq!((outcome, resource.metadata.generation), (PutOutcome::Configured, 2));
    let goal = store.goal("default", "j").await?.ok_or("a goal")?;
    assert_eq!((goal.goal, goal.version), (4, 2), "the rollback is over");
    assert_eq!(store.put(job("j", "two")).await?.1, PutOutcome::Unchanged);
    Ok(())
}

async fn a_job_has_one_run_at_a_time(database: &Database) -> Tested {
    let store = database.open().await?;
    let (made, _) = store.put(job("j", "x")).await?;
    let uid = &made.metadata.uid;
    let mut first = run("r1", "j", uid);
    store.add_run(&first).await?;
    assert!(matches!(store.add_run(&run("r2", "j", uid)).await, Err(StoreError::Exists(_))));
    let other = store.add_run(&run("r2", "j", "another uid")).await;
    assert!(matches!(other, Err(StoreError::Exists(_))), "also of a job made again");
    store.add_run(&run("s1", "k", "k")).await?;
    let gone = store.remove(&removal(Kind::Job, "j")).await;
    assert!(matches!(gone, Err(StoreError::Exists(_))), "a job with a run stays");

    first.state = RunState::Running;
    store.update_run(&first).await?;
    assert_eq!(store.runs_alive().await?, [first.clone(), run("s1", "k", "k")]);
    let ended = millrace_control::model::RunRecord {
        state: RunState::Ended,
        ended_ms: Some(7),
        end: Some(RunEnd::Stopped { checkpoint: 3 }),
        ..first.clone()
    };
    store.update_run(&ended).await?;
    assert!(matches!(store.update_run(&first).await, Err(StoreError::Exists(_))), "it has ended");
    assert_eq!(store.run("r1").await?.as_ref(), Some(&ended));
    assert!(matches!(store.add_run(&run("r1", "j", uid)).await, Err(StoreError::Exists(_))));
    store.add_run(&run("r2", "j", uid)).await?;
    let nobody = store.update_run(&run("r9", "j", uid)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
    Ok(())
}

async fn runs_are_listed_newest_first(database: &Database) -> Tested {
    let store = database.open().await?;
    for n in 0..5 {
        let mut r = run(&format!("r{n}"), "j", "u");
        store.add_run(&r).await?;
        r.state = RunState::Ended;
        store.update_run(&r).await?;
    }
    let mut page = Page { after: None, limit: 2 };
    let mut ids = Vec::new();
    loop {
        let found = store.runs("default", "j", &page).await?;
        ids.extend(found.items.into_iter().map(|r| r.id));
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(ids, ["r4", "r3", "r2", "r1", "r0"]);
    assert_eq!(store.newest_run("default", "j").await?.map(|r| r.id).as_deref(), Some("r4"));
    assert_eq!(store.newest_run("default", "k").await?, None);
    let odd = Page { after: Some("x".into()), limit: 1 };
    assert!(matches!(store.runs("default", "j", &odd).await, Err(StoreError::NotFound(_))));
    Ok(())
}

async fn all_that_a_decision_needs_comes_at_once(database: &Database) -> Tested {
    let store = database.open().await?;
    store.put(put(Kind::Stream, "s", json!({}))).await?;
    let (a, _) = store.put(job("a", "x")).await?;
    let (b, _) = store.put(job("b", "x")).await?;
    let mut old = run("r1", "b", &b.metadata.uid);
    old.state = RunState::Ended;
    store.add_run(&old).await?;
    let new = run("r2", "b", &b.metadata.uid);
    store.add_run(&new).await?;
    store.add_run(&run("r3", "a", "the job that had this name before")).await?;
    store.put_status("default", "b", &status(JobPhase::Running)).await?;
    let many = [("b", JobPhase::Failed), ("gone", JobPhase::Failed)].map(|(job, phase)| StatusOf {
        ns: "default".into(),
        job: job.into(),
        status: status(phase),
    });
    store.put_statuses(&many).await?;
    let gone = store.put_status("default", "gone", &status(JobPhase::Failed)).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))));

    let rows = store.jobs().await?;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0].resource, &rows[0].status, &rows[0].run), (&a, &None, &None));
    assert_eq!((&rows[1].resource, rows[1].goal.goal), (&b, 1));
    assert_eq!(rows[1].status, Some(status(JobPhase::Failed)));
    assert_eq!(rows[1].run, Some(new));
    assert_eq!(store.status("default", "b").await?, Some(status(JobPhase::Failed)));
    assert_eq!(store.job("default", "b").await?.as_ref(), Some(&rows[1]));
    assert_eq!(store.job("default", "s").await?, None);
    let b = store.get("default", Kind::Job, "b").await?.ok_or("b")?;
    assert_eq!(b, rows[1].resource, "a status changes no version");
    Ok(())
}

async fn savepoints_are_kept_until_they_or_the_job_are_removed(database: &Database) -> Tested {
    let store = database.open().await?;
    store.put(job("j", "x")).await?;
    let savepoint = |id: &str| Savepoint {
        id: id.into(),
        namespace: "default".into(),
        job: "j".into(),
        version: 1,
        path: format!("savepoints/j/{id}"),
        state: SavepointState::Requested,
        created_ms: 5,
        author: "ann".into(),
    };
    for id in ["p1", "p2", "p3"] {
        store.add_savepoint(&savepoint(id)).await?;
    }
    assert!(matches!(store.add_savepoint(&savepoint("p1")).await, Err(StoreError::Exists(_))));
    let complete =
        Savepoint { state: SavepointState::Complete { checkpoint: 4 }, ..savepoint("p2") };
    store.update_savepoint(&complete).await?;
    assert_eq!(store.savepoint("p2").await?, Some(complete.clone()));
    let first = store.savepoints("default", "j", &Page { after: None, limit: 2 }).await?;
    assert_eq!(first.items, [savepoint("p3"), complete]);
    let second = Page { after: first.next, limit: 2 };
    assert_eq!(store.savepoints("default", "j", &second).await?.items, [savepoint("p1")]);
    assert_eq!(store.requested_savepoints().await?, [savepoint("p1"), savepoint("p3")]);
    // A stop that is taken back before its run was told takes its savepoint along.
    let stop = |goal: &mut JobGoal| {
        goal.desired = Desired::Stopped;
        goal.stop_savepoint = Some("p3".into());
    };
    store.set_goal("default", "j", None, stop, "ann", None, 6).await?;
    let resume = |goal: &mut JobGoal| {
        goal.desired = Desired::Running;
        goal.stop_savepoint = None;
    };
    store.set_goal("default", "j", None, resume, "ann", None, 7).await?;
    assert_eq!(store.requested_savepoints().await?, [savepoint("p1")]);
    let given_up = store.savepoint("p3").await?.ok_or("p3")?;
    assert!(matches!(given_up.state, SavepointState::Failed { .. }), "{given_up:?}");
    store.remove_savepoint("p1").await?;
    assert!(matches!(store.remove_savepoint("p1").await, Err(StoreError::NotFound(_))));
    assert!(matches!(store.update_savepoint(&savepoint("p1")).await, Err(StoreError::NotFound(_))));
    store.remove(&removal(Kind::Job, "j")).await?;
    assert_eq!(store.savepoints("default", "j", &Page::default()).await?.items, []);
    Ok(())
}
