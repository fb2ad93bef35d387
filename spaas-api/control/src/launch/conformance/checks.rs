//! The checks. Each uses a job of its own, so that they can run beside one another.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::worker::{SAVED_AT, STOPPED_AT, Script, assignment};
use crate::launch::{LaunchError, Launcher, Observed};
use crate::model::RunEnd;
use crate::worker::StopOrder;

/// Makes a launcher over the same place as the one before, as a control plane does that is started
/// again.
pub type Make = Arc<dyn Fn() -> Arc<dyn Launcher> + Send + Sync>;
/// A check.
pub type Check = fn(Make) -> BoxFuture<'static, ()>;

/// Longest wait for anything; a check fails after it.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// All checks with their names.
pub const CHECKS: &[(&str, Check)] = &[
    ("a_run_is_started_once", |make| Box::pin(a_run_is_started_once(make))),
    ("no_run_starts_while_another_lives", |make| Box::pin(no_run_starts_while_another_lives(make))),
    ("kill_ends_a_run_at_once", |make| Box::pin(kill_ends_a_run_at_once(make))),
    ("a_run_that_is_killed_before_it_begins_never_begins", |make| {
        Box::pin(a_run_that_is_killed_before_it_begins_never_begins(make))
    }),
    ("stop_ends_a_run_with_its_checkpoint", |make| {
        Box::pin(stop_ends_a_run_with_its_checkpoint(make))
    }),
    ("an_ended_run_tells_how", |make| Box::pin(an_ended_run_tells_how(make))),
    ("a_lost_run_is_absent_and_had_begun", |make| {
        Box::pin(a_lost_run_is_absent_and_had_begun(make))
    }),
    ("a_run_beyond_its_memory_is_lost_and_says_so", |make| {
        Box::pin(a_run_beyond_its_memory_is_lost_and_says_so(make))
    }),
    ("a_new_launcher_sees_a_living_run", |make| Box::pin(a_new_launcher_sees_a_living_run(make))),
    ("orders_reach_the_run_that_is_meant", |make| {
        Box::pin(orders_reach_the_run_that_is_meant(make))
    }),
    ("logs_follow_across_runs", |make| Box::pin(logs_follow_across_runs(make))),
];

/// A job of its own with its launcher.
struct Bench {
    make: Make,
    launcher: Arc<dyn Launcher>,
    job: String,
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

impl Bench {
    fn new(make: Make) -> Self {
        Self { launcher: make(), make, job: format!("job-{}", Uuid::new_v4().simple()) }
    }

    async fn start(&self, run: &str, script: &Script) {
        self.launcher.start(&assignment(&self.job, run, script)).await.expect("it starts");
    }

    async fn look(&self, run: &str) -> Observed {
        self.launcher.observe(&self.job, run).await.expect("it can be observed")
    }

    async fn until(&self, run: &str, what: &str, is: impl Fn(&Observed) -> bool) -> Observed {
        let mut last = None;
        let wait = async {
            loop {
                let seen = self.look(run).await;
                if is(&seen) {
                    return seen;
                }
                last = Some(seen);
                tokio::time::sleep(LOOK).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, wait).await.ok();
        seen.unwrap_or_else(|| panic!("run {run}: not {what}, but {last:?}"))
    }

    /// Starts a run and waits until it answers.
    async fn running(&self) -> String {
        let run = id();
        self.start(&run, &Script::Run).await;
        self.until(&run, "answering", |seen| answers(seen, &run)).await;
        run
    }

    async fn stop(&self, run: &str) {
        self.launcher.stop(&self.job, run, &StopOrder::default()).await.expect("it is heard");
        self.until(run, "ended", |seen| matches!(seen, Observed::Ended(_))).await;
    }

    /// Lines of the log that say that a run began.
    async fn begun(&self) -> Vec<String> {
        let lines = self.launcher.logs(&self.job, 10_000, false).await.expect("there is a log");
        let begun = |line: String| line.strip_prefix("begin ").map(str::to_owned);
        lines.collect::<Vec<_>>().await.into_iter().filter_map(begun).collect()
    }

    async fn forget(self) {
        self.launcher.forget(&self.job).await.expect("nothing of it is alive");
        let seen = self.look(&id()).await;
        assert!(matches!(seen, Observed::Absent { begun: false, .. }), "{seen:?}");
    }
}

fn answers(seen: &Observed, run: &str) -> bool {
    matches!(seen, Observed::Alive { run: alive, status: Some(status), .. }
        if alive == run && status.run == run)
}

/// Starting a run again does nothing, be it alive or ended, be it asked by the same launcher or by
/// another.
pub async fn a_run_is_started_once(make: Make) {
    let bench = Bench::new(make);
    let run = id();
    let (first, second) = ((bench.make)(), (bench.make)());
    let order = assignment(&bench.job, &run, &Script::Run);
    let (a, b, c) =
        tokio::join!(bench.launcher.start(&order), first.start(&order), second.start(&order));
    a.and(b).and(c).expect("each of them may start it");
    bench.until(&run, "answering", |seen| answers(seen, &run)).await;
    bench.start(&run, &Script::Run).await;
    bench.stop(&run).await;
    bench.start(&run, &Script::Run).await;
    (bench.make)().start(&order).await.expect("it was started before");
    let ended = bench.look(&run).await;
    assert_eq!(ended, Observed::Ended(RunEnd::Stopped { checkpoint: STOPPED_AT }));
    assert_eq!(bench.begun().await, [run]);
    bench.forget().await;
}

/// A second run of a job does not begin while the first one lives.
pub async fn no_run_starts_while_another_lives(make: Make) {
    let bench = Bench::new(make);
    let first = bench.running().await;
    let second = id();
    bench.start(&second, &Script::Run).await;
    let other = assignment(&bench.job, &second, &Script::Run);
    (bench.make)().start(&other).await.expect("a start that changes nothing");
    let seen = bench.look(&second).await;
    assert!(matches!(&seen, Observed::Alive { run, .. } if *run == first), "{seen:?}");
    let forgotten = bench.launcher.forget(&bench.job).await;
    assert!(forgotten.is_err(), "a job with a living run is not forgotten");
    bench.stop(&first).await;
    assert_eq!(bench.begun().await, [first]);
    bench.start(&second, &Script::Run).await;
    bench.until(&second, "answering", |seen| answers(seen, &second)).await;
    bench.stop(&second).await;
    bench.forget().await;
}

/// A killed run is not alive when `kill` returns, also one that does not answer; killing it again
/// is nothing.
pub async fn kill_ends_a_run_at_once(make: Make) {
    let bench = Bench::new(make);
    let run = id();
    bench.start(&run, &Script::Mute).await;
    let wait = async {
        while bench.begun().await != [run.clone()] {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it begins");
    let seen = bench.look(&run).await;
    assert!(matches!(seen, Observed::Alive { status: None, .. }), "{seen:?}");
    for _ in 0..2 {
        bench.launcher.kill(&bench.job, &run).await.expect("it is killed");
        let seen = bench.look(&run).await;
        assert!(matches!(seen, Observed::Ended(RunEnd::Lost { .. })), "{seen:?}");
    }
    let next = bench.running().await;
    bench.launcher.kill(&bench.job, &run).await.expect("it is over");
    let seen = bench.look(&next).await;
    assert!(answers(&seen, &next), "killing a run leaves the next one alone: {seen:?}");
    bench.stop(&next).await;
    bench.forget().await;
}

/// A run that is killed before its worker begins, or before it is started, never begins.
pub async fn a_run_that_is_killed_before_it_begins_never_begins(make: Make) {
    let bench = Bench::new(make);
    let (slow, never) = (id(), id());
    bench.launcher.kill(&bench.job, &never).await.expect("it is cancelled");
    bench.start(&never, &Script::Run).await;
    bench.start(&slow, &Script::Dawdle { ms: 1_000 }).await;
    bench.launcher.kill(&bench.job, &slow).await.expect("it is cancelled");
    bench.until(&slow, "lost", |seen| matches!(seen, Observed::Ended(RunEnd::Lost { .. }))).await;
    // The slow one finds its run cancelled and leaves; then another can have the job.
    let next = id();
    let wait = async {
        while !answers(&bench.look(&next).await, &next) {
            bench.start(&next, &Script::Run).await;
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the next run begins");
    bench.stop(&next).await;
    assert_eq!(bench.begun().await, [next]);
    bench.forget().await;
}

/// A stopped run leaves word of its last checkpoint; asking again finds it gone.
pub async fn stop_ends_a_run_with_its_checkpoint(make: Make) {
    let bench = Bench::new(make);
    let run = bench.running().await;
    let order = StopOrder { drain: true, savepoint: None };
    bench.launcher.stop(&bench.job, &run, &order).await.expect("it is heard");
    let seen = bench.until(&run, "ended", |seen| matches!(seen, Observed::Ended(_))).await;
    assert_eq!(seen, Observed::Ended(RunEnd::Stopped { checkpoint: STOPPED_AT }));
    let again = bench.launcher.stop(&bench.job, &run, &order).await;
    assert!(matches!(again, Err(LaunchError::Gone { .. })), "{again:?}");
    bench.launcher.kill(&bench.job, &run).await.expect("it is over");
    assert_eq!(bench.look(&run).await, seen, "what a run said of its end stands");
    let lines = bench.launcher.logs(&bench.job, 100, false).await.expect("there is a log");
    let lines: Vec<_> = lines.collect().await;
    assert!(lines.iter().any(|line| line == "stop drain=true"), "{lines:?}");
    bench.forget().await;
}

/// However a run ends by itself is told as it said.
pub async fn an_ended_run_tells_how(make: Make) {
    let bench = Bench::new(make);
    for end in [
        RunEnd::Finished,
        RunEnd::Failed { reason: "no such topic".to_owned(), retryable: false },
        RunEnd::Failed { reason: "broker away".to_owned(), retryable: true },
    ] {
        let run = id();
        let seen = bench.look(&run).await;
        assert_eq!(seen, Observed::Absent { begun: false, trace: None });
        let wait = async {
            while !matches!(bench.look(&run).await, Observed::Ended(_)) {
                bench.start(&run, &Script::End { end: end.clone() }).await;
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it ends");
        assert_eq!(bench.look(&run).await, Observed::Ended(end));
    }
    bench.forget().await;
}

/// A run that is gone without a word is told from one that never began, with what it last said.
pub async fn a_lost_run_is_absent_and_had_begun(make: Make) {
    let bench = Bench::new(make);
    let run = id();
    let words = "cannot go on: the disk is full".to_owned();
    bench.start(&run, &Script::Vanish { words: words.clone() }).await;
    let gone = |seen: &Observed| matches!(seen, Observed::Absent { begun: true, .. });
    let seen = bench.until(&run, "absent", gone).await;
    let Observed::Absent { trace: Some(trace), .. } = seen else { panic!("no trace: {seen:?}") };
    assert!(trace.contains(&words), "{trace}");
    bench.start(&run, &Script::Run).await;
    assert!(gone(&bench.look(&run).await), "a run begins once");
    bench.forget().await;
}

/// A run that takes more memory than it may have ends, and what is told of it says so.
pub async fn a_run_beyond_its_memory_is_lost_and_says_so(make: Make) {
    let bench = Bench::new(make);
    let run = id();
    bench.start(&run, &Script::Hoard).await;
    let gone = |seen: &Observed| matches!(seen, Observed::Absent { begun: true, .. });
    let seen = bench.until(&run, "absent", gone).await;
    let Observed::Absent { trace: Some(trace), .. } = seen else { panic!("no trace: {seen:?}") };
    assert!(trace.starts_with("out of memory"), "{trace}");
    bench.forget().await;
}

/// Runs outlive the launcher that started them.
pub async fn a_new_launcher_sees_a_living_run(make: Make) {
    let mut bench = Bench::new(make);
    let run = bench.running().await;
    bench.launcher = (bench.make)();
    let seen = bench.look(&run).await;
    assert!(answers(&seen, &run), "{seen:?}");
    let other = bench.look(&id()).await;
    assert!(matches!(&other, Observed::Alive { run: alive, .. } if *alive == run), "{other:?}");
    bench.stop(&run).await;
    bench.launcher = (bench.make)();
    let seen = bench.look(&run).await;
    assert_eq!(seen, Observed::Ended(RunEnd::Stopped { checkpoint: STOPPED_AT }));
    bench.forget().await;
}

/// Savepoints, rows and metrics come from the run that is asked, refusals as refusals.
pub async fn orders_reach_the_run_that_is_meant(make: Make) {
    let bench = Bench::new(make);
    let run = bench.running().await;
    let (launcher, job) = (&bench.launcher, bench.job.as_str());
    assert_eq!(launcher.savepoint(job, &run, "savepoints/a").await.expect("made"), SAVED_AT);
    let refused = launcher.savepoint(job, &run, "refused").await;
    assert!(matches!(refused, Err(LaunchError::Refused { .. })), "{refused:?}");
    let failed = launcher.savepoint(job, &run, "failed").await;
    assert!(matches!(failed, Err(LaunchError::Retry { .. })), "{failed:?}");
    assert_eq!(launcher.metrics(job, &run).await.expect("answered"), "millrace_scripted 1\n");
    let rows = launcher.tail(job, &run, Some("a sink & more")).await.expect("there are rows");
    let rows: Vec<_> = rows.take(3).collect().await;
    assert_eq!(rows[2], r#"{"sink":"s","kind":"+I","row":{"n":2}}"#);
    let none = launcher.tail(job, &run, Some("none such")).await.err();
    assert!(matches!(none, Some(LaunchError::Refused { .. })), "{none:?}");
    let other = id();
    let stopped = launcher.stop(job, &other, &StopOrder::default()).await;
    assert!(matches!(stopped, Err(LaunchError::Gone { .. })), "{stopped:?}");
    assert!(answers(&bench.look(&run).await, &run), "the order was not meant for it");
    bench.stop(&run).await;
    bench.forget().await;
}

/// Who follows a log sees every line, across rotations and runs.
pub async fn logs_follow_across_runs(make: Make) {
    let bench = Bench::new(make);
    let first = bench.running().await;
    let mut lines = bench.launcher.logs(&bench.job, 10_000, true).await.expect("there is a log");
    let mut followed = Vec::new();
    let mut until = async |end: &str| {
        while let Some(line) = lines.next().await {
            let found = line == end;
            followed.push(line);
            if found {
                break;
            }
        }
    };
    let patient = tokio::time::timeout(PATIENCE, until("tick 40")).await;
    patient.expect("lines come while the run lives");
    bench.stop(&first).await;
    let second = bench.running().await;
    bench.stop(&second).await;
    let last = format!("end {second}");
    tokio::time::timeout(PATIENCE, until(&last)).await.expect("the next run is followed too");
    let ticks: Vec<_> = followed.iter().filter_map(|line| line.strip_prefix("tick ")).collect();
    let first_run = ticks.iter().skip(1).position(|tick| *tick == "0").map(|at| at + 1);
    let (one, two) = ticks.split_at(first_run.expect("both runs tick"));
    for run in [one, two] {
        let expected: Vec<_> = (0..run.len()).map(|tick| tick.to_string()).collect();
        assert_eq!(run, expected, "no line is missing, none comes twice");
    }
    assert!(followed.contains(&format!("begin {first}")) && one.len() > 40);
    bench.forget().await;
}
