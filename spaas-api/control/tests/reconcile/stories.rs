//! What people ask for, and what happens to what runs.

use serde_json::json;
use tokio::sync::watch;

use millrace_control::launch::conformance::{Script, assignment};
use millrace_control::model::{
    Desired, JobPhase, JobStatus, Kind, RunEnd, RunState, Savepoint, SavepointState,
};
use millrace_control::reconcile::{BuiltIn, BuiltInWork};
use millrace_control::store::Removal;

use crate::support::{Control, Place, job, now};

fn pid(status: &JobStatus) -> u32 {
    status.worker.as_ref().expect("its worker answers").pid
}

fn answers(status: &JobStatus) -> bool {
    status.phase == JobPhase::Running && status.worker.is_some()
}

pub(crate) async fn a_job_is_run_changed_stopped_resumed_and_removed(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    let (put, _) = control.store.put(job("j", &Script::Run)).await.expect("declared");
    let first = control.phase("j", JobPhase::Running).await;
    assert_eq!((first.observed_generation, first.restarts), (Some(1), 0));

    let mut changed = job("j", &Script::Run);
    changed.spec["sql"] = json!("a second version");
    control.store.put(changed).await.expect("changed");
    let second = control.phase("j", JobPhase::Running).await;
    assert_eq!(second.observed_generation, Some(2));
    assert_ne!(second.run, first.run);

    control.set("j", |goal| goal.parallelism = Some(3)).await;
    let third = control.phase("j", JobPhase::Running).await;
    assert_ne!(third.run, second.run);
    control.set("j", |goal| goal.restarts += 1).await;
    let fourth = control.phase("j", JobPhase::Running).await;
    assert_ne!(fourth.run, third.run);

    stops_with_a_savepoint(&control).await;
    control.set("j", |goal| goal.desired = Desired::Running).await;
    let fifth = control.phase("j", JobPhase::Running).await;
    assert_eq!((fifth.restarts, fifth.failures), (0, 0), "all of it was asked for");
    let runs = control.runs("j").await;
    let parallelism: Vec<_> = runs.iter().rev().map(|run| run.parallelism).collect();
    assert_eq!(parallelism, [1, 1, 3, 3, 3]);
    let stopped = RunEnd::Stopped { checkpoint: 7 };
    assert!(runs[1..].iter().all(|run| run.end.as_ref() == Some(&stopped)), "{runs:?}");
    is_removed(&control, put.metadata.name, &place).await;
    control.stop().await;
}

fn requested(job: &str, id: &str) -> Savepoint {
    Savepoint {
        id: id.to_owned(),
        namespace: "default".into(),
        job: job.to_owned(),
        version: 1,
        path: format!("savepoints/{job}/{id}"),
        state: SavepointState::Requested,
        created_ms: now(),
        author: "ann".into(),
    }
}

pub(crate) async fn savepoints_of_a_control_plane_that_is_gone_are_made_or_given_up(place: Place) {
    let first = Control::start(&place, Vec::new()).await;
    for name in ["runs", "stopped"] {
        first.store.put(job(name, &Script::Run)).await.expect("declared");
        first.phase(name, JobPhase::Running).await;
    }
    first.set("stopped", |goal| goal.desired = Desired::Stopped).await;
    first.phase("stopped", JobPhase::Stopped).await;
    first.stop().await;
    let store = place.store().await;
    for (job, id) in [("runs", "s1"), ("stopped", "s2")] {
        store.add_savepoint(&requested(job, id)).await.expect("asked for");
    }
    // Of a worker that refuses, the reason is told.
    let path = "refused".to_owned();
    let refused = Savepoint { path, ..requested("runs", "s3") };
    store.add_savepoint(&refused).await.expect("asked for");
    std::thread::sleep(std::time::Duration::from_millis(2));

    let second = Control::start(&place, Vec::new()).await;
    let settled = async |id: &str| loop {
        let found = second.store.savepoint(id).await.expect("read").expect("it is there");
        if found.state != SavepointState::Requested {
            return found.state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(settled("s1").await, SavepointState::Complete { checkpoint: 3 });
    for (id, why) in [("s2", "no run is there"), ("s3", "not there")] {
        let SavepointState::Failed { reason } = settled(id).await else { panic!("{id} is made") };
        assert!(reason.contains(why), "{id}: {reason}");
    }
    // What is told follows what is written.
    for told in ["SavepointComplete", "SavepointFailed"] {
        while !second.events("runs").await.iter().any(|what| what == told) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    second.stop_with_workers().await;
}

async fn stops_with_a_savepoint(control: &Control) {
    let savepoint = Savepoint { version: 2, ..requested("j", "s1") };
    control.store.add_savepoint(&savepoint).await.expect("asked for");
    let stop = |goal: &mut millrace_control::model::JobGoal| {
        goal.desired = Desired::Stopped;
        goal.stop_savepoint = Some("s1".into());
        goal.drain = true;
    };
    control.set("j", stop).await;
    control.phase("j", JobPhase::Stopped).await;
    let saved = control.store.savepoint("s1").await.expect("read").expect("it is there");
    assert_eq!(saved.state, SavepointState::Complete { checkpoint: 7 });
}

async fn is_removed(control: &Control, name: String, place: &Place) {
    let removal = Removal {
        ns: "default".into(),
        kind: Kind::Job,
        name,
        expect: None,
        author: "ann".into(),
        reason: None,
        now_ms: now(),
    };
    control.store.mark_deleting(&removal).await.expect("marked");
    while control.store.job("default", "j").await.expect("read").is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(control.runs("j").await[0].state, RunState::Ended);
    let folders = std::fs::read_dir(place.path().join("runs")).expect("a folder").count();
    assert_eq!(folders, 0, "nothing of it is left");
    let events = control.events("j").await;
    for what in ["RunStarted", "RunReady", "Stopping", "Stopped", "SavepointComplete", "Deleted"] {
        assert!(events.iter().any(|event| event == what), "{what}: {events:?}");
    }
    assert!(control.board.status("default", "j").is_none());
}

pub(crate) async fn a_worker_that_is_killed_is_replaced(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    control.store.put(job("j", &Script::Run)).await.expect("declared");
    let mut seen = control.until(("default", "j"), answers).await;
    for round in 1..=3 {
        kill(pid(&seen));
        let last = seen.run.clone();
        seen = control.until(("default", "j"), |s| answers(s) && s.run != last).await;
        assert_eq!(seen.restarts, round);
    }
    let runs = control.runs("j").await;
    for run in &runs[1..] {
        let Some(RunEnd::Lost { reason }) = &run.end else { panic!("{run:?}") };
        assert!(reason.contains("signal: 9"), "{reason}");
    }
    let events = control.events("j").await;
    assert_eq!(events.iter().filter(|what| *what == "RunLost").count(), 3, "{events:?}");
    control.stop_with_workers().await;
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is killed");
}

pub(crate) async fn a_job_that_cannot_work_fails_and_rests(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    let end = RunEnd::Failed { reason: "no such column".into(), retryable: false };
    control.store.put(job("failing", &Script::End { end })).await.expect("declared");
    let status = control.phase("failing", JobPhase::Failed).await;
    assert_eq!(status.reason.as_deref(), Some("no such column"));

    let mut refused = job("refused", &Script::Run);
    refused.spec = json!({});
    control.store.put(refused).await.expect("declared");
    let status = control.phase("refused", JobPhase::Failed).await;
    assert!(status.reason.is_some_and(|reason| reason.contains("no script")));

    let done = job("done", &Script::End { end: RunEnd::Finished });
    control.store.put(done).await.expect("declared");
    control.phase("done", JobPhase::Finished).await;

    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    for name in ["failing", "refused", "done"] {
        assert_eq!(control.runs(name).await.len(), 1, "{name} rests until its goal changes");
    }
    control.store.put(job("refused", &Script::Run)).await.expect("mended");
    control.phase("refused", JobPhase::Running).await;
    control.set("done", |goal| goal.restarts += 1).await;
    control.phase("done", JobPhase::Finished).await;
    assert_eq!(control.runs("done").await.len(), 2);
    control.stop_with_workers().await;
}

pub(crate) async fn a_crash_loop_is_told_once_and_goes_on(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    let words = "the disk is full".to_owned();
    control.store.put(job("j", &Script::Vanish { words })).await.expect("declared");
    let status =
        control.until(("default", "j"), |s| s.failures >= 7 && s.next_start_ms.is_some()).await;
    assert_eq!(status.phase, JobPhase::Restarting);
    let reason = status.reason.unwrap_or_default();
    assert!(reason.starts_with("crash loop: ") && reason.contains("the disk is full"), "{reason}");
    let events = control.events("j").await;
    assert_eq!(events.iter().filter(|what| *what == "CrashLoop").count(), 1, "{events:?}");
    control.store.put(job("j", &Script::Run)).await.expect("mended");
    let status = control.phase("j", JobPhase::Running).await;
    assert_eq!((status.failures, status.reason), (0, None));
    control.stop_with_workers().await;
}

pub(crate) async fn a_built_in_job_follows_its_settings(place: Place) {
    let work = |memory_bytes| {
        let work = assignment("any", "any", &Script::Run).work;
        Some(BuiltInWork { work, memory_bytes })
    };
    let (settings, wanted) = watch::channel(work(1 << 30));
    let router = BuiltIn { namespace: "system".into(), name: "router".into(), wanted };
    let of = ("system", "router");
    let control = Control::start(&place, vec![router.clone()]).await;
    let first = control.until(of, answers).await;
    settings.send_replace(work(1 << 29));
    let second = control.until(of, |s| answers(s) && s.run != first.run).await;
    control.stop().await;

    // The same settings after a start again are the same work.
    let control = Control::start(&place, vec![router]).await;
    let same = control.until(of, answers).await;
    assert_eq!((&same.run, pid(&same)), (&second.run, pid(&second)));
    settings.send_replace(None);
    control.until(of, |s| s.phase == JobPhase::Stopped).await;
    settings.send_replace(work(1 << 30));
    let third = control.until(of, answers).await;
    assert_ne!(third.run, second.run);
    control.stop_with_workers().await;
}

pub(crate) async fn a_new_reconciler_takes_over_what_runs(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    for name in ["stays", "stopped", "killed"] {
        control.store.put(job(name, &Script::Run)).await.expect("declared");
    }
    let stays = control.until(("default", "stays"), answers).await;
    control.until(("default", "stopped"), answers).await;
    let killed = control.until(("default", "killed"), answers).await;
    let store = control.store.clone();
    control.stop().await;

    kill(pid(&killed));
    let stop = |goal: &mut millrace_control::model::JobGoal| goal.desired = Desired::Stopped;
    store.set_goal("default", "stopped", None, stop, "ann", None, now()).await.expect("set");

    let control = Control::start(&place, Vec::new()).await;
    let same = control.until(("default", "stays"), answers).await;
    assert_eq!((pid(&same), same.run), (pid(&stays), stays.run), "it never noticed");
    control.phase("stopped", JobPhase::Stopped).await;
    let new = control.until(("default", "killed"), |s| answers(s) && s.run != killed.run).await;
    assert_eq!(new.restarts, 1);
    control.stop_with_workers().await;
}

pub(crate) async fn many_jobs_start_together(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    let names: Vec<String> = (0..30).map(|n| format!("j{n}")).collect();
    let puts = names.iter().map(|name| job(name, &Script::Run)).collect();
    control.store.put_all(puts).await.expect("declared");
    for name in &names {
        let status = control.phase(name, JobPhase::Running).await;
        assert_eq!((status.restarts, status.failures), (0, 0), "{name}");
    }
    control.stop_with_workers().await;
}

pub(crate) async fn what_hinders_a_start_is_shown_until_it_is_gone(place: Place) {
    let control = Control::start(&place, Vec::new()).await;
    let mut waiting = job("j", &Script::Run);
    waiting.spec["away"] = json!("the broker does not answer");
    control.store.put(waiting).await.expect("declared");
    let is = |s: &JobStatus| s.reason.as_deref() == Some("the broker does not answer");
    let status = control.until(("default", "j"), is).await;
    assert_eq!(status.phase, JobPhase::Starting);
    assert!(control.runs("j").await.is_empty(), "nothing was tried that cannot work");
    control.store.put(job("j", &Script::Run)).await.expect("it is back");
    let status = control.until(("default", "j"), answers).await;
    assert_eq!(status.reason, None);
    control.stop_with_workers().await;
}
