//! The control plane is killed right after each effect of each kind, and started again.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use millrace_control::launch::conformance::Script;
use millrace_control::model::{Desired, JobGoal, JobPhase, Kind, RunState};
use millrace_control::reconcile::{FAULT_POINTS, FaultPoint};
use millrace_control::store::{Removal, Store};

use crate::support::{CONTROL, Control, Place, job, kill_all, now, open, reconciler, runs};

/// Ends this process the n-th time that a moment comes.
#[derive(Debug)]
struct KillAt {
    point: String,
    left: AtomicU32,
}

impl FaultPoint for KillAt {
    fn reached(&self, point: &'static str) {
        if point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("it ends");
            // The signal is on its way; nothing may happen after this moment.
            loop {
                std::thread::park();
            }
        }
    }
}

/// A control plane in a process of its own.
pub(crate) async fn control_plane(folder: &Path, point: &str, nth: u32) -> ExitCode {
    let fault = KillAt { point: point.to_owned(), left: AtomicU32::new(nth) };
    let reconciler = reconciler(open(folder).await, folder, Vec::new(), Arc::new(fault));
    reconciler.run(CancellationToken::new()).await;
    ExitCode::SUCCESS
}

/// What people do, in their order; each one step for the job `j`.
const DEEDS: usize = 6;

async fn deed(store: &Store, which: usize) {
    let goal = async |change: fn(&mut JobGoal)| {
        store.set_goal("default", "j", None, change, "ann", None, now()).await.expect("set");
    };
    match which {
        0 => drop(store.put(job("j", &Script::Run)).await.expect("declared")),
        1 => {
            let mut changed = job("j", &Script::Run);
            changed.spec["sql"] = "another".into();
            store.put(changed).await.expect("changed");
        }
        2 => goal(|goal| goal.parallelism = Some(2)).await,
        3 => goal(|goal| goal.desired = Desired::Stopped).await,
        4 => goal(|goal| goal.desired = Desired::Running).await,
        _ => {
            let removal = Removal {
                ns: "default".into(),
                kind: Kind::Job,
                name: "j".into(),
                expect: None,
                author: "ann".into(),
                reason: None,
                now_ms: now(),
            };
            store.mark_deleting(&removal).await.expect("marked");
        }
    }
}

/// Whether the job is, for good, what the deeds up to this one want.
async fn settled(store: &Store, which: usize) -> bool {
    let Some(row) = store.job("default", "j").await.expect("read") else {
        return which == DEEDS - 1;
    };
    let phase = if which == 3 { JobPhase::Stopped } else { JobPhase::Running };
    which < DEEDS - 1
        && row.status.is_some_and(|s| s.phase == phase && s.observed_goal == row.goal.goal)
}

/// The control plane is killed at a moment of its work on every deed, then started again, and the
/// job comes to what is wanted. Of all its runs one lived at a time, and each began once.
pub(crate) async fn wherever_the_control_plane_is_killed_goal_and_actual_converge(place: Place) {
    let store = place.store().await;
    let mut kills = 0;
    for (round, point) in FAULT_POINTS.into_iter().enumerate() {
        let nth = u32::try_from(round % 2).expect("small") + 1;
        let mut control = spawn(place.path(), point, nth);
        for which in 0..DEEDS {
            deed(&store, which).await;
            let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
            while !settled(&store, which).await {
                if control.try_wait().expect("a process").is_some() {
                    kills += 1;
                    // The next one is killed at the same moment, only later.
                    control = spawn(place.path(), point, nth + 2);
                }
                assert!(tokio::time::Instant::now() < deadline, "{point}: deed {which}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        control.kill().expect("it ends");
        control.wait().expect("a process");
        let runs = runs(&store, "j").await;
        assert!(runs.iter().all(|run| run.state == RunState::Ended), "{point}: {runs:?}");
        assert!(store.runs_alive().await.expect("runs").is_empty());
    }
    assert!(kills >= FAULT_POINTS.len() / 2, "only {kills} were killed");
    let control = Control::start(&place, Vec::new()).await;
    let folders = std::fs::read_dir(place.path().join("runs")).expect("a folder").count();
    assert_eq!(folders, 0, "nothing is left of the job");
    control.stop().await;
    kill_all(&store, place.path()).await;
}

fn spawn(folder: &Path, point: &str, nth: u32) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([CONTROL, &folder.display().to_string(), point, &nth.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .expect("a control plane")
}
