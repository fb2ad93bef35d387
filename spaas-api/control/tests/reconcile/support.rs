//! A control plane without its API: store, launcher, reconciler.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_control::launch::conformance::{Script, assignment};
use millrace_control::launch::process::{ProcessLauncher, ProcessSettings};
use millrace_control::model::{JobGoal, JobPhase, JobStatus, Kind, Resource, RunRecord};
use millrace_control::reconcile::{
    AssignmentSource, BuiltIn, FaultPoint, LiveBoard, NoFault, Policy, Prepared, Reconciler,
    ReconcilerParts, ReconcilerSettings,
};
use millrace_control::store::{EventFilter, Page, Put, Store};
use millrace_control::{Launcher, SeamError};
use millrace_events::{Clock, SystemClock};

/// First argument of a worker.
pub(crate) const WORKER: &str = "worker";
/// First argument of a control plane.
pub(crate) const CONTROL: &str = "control";
/// Longest wait for anything; a story fails after it.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn block_on<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(story)
}

/// A machine: a folder with a store and the folders of runs. When it goes, so do its workers.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        // Sockets need a short path, which the usual folder for temporary files may not have.
        Self { folder: tempfile::tempdir_in("/tmp").expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn store(&self) -> Store {
        open(self.path()).await
    }
}

pub(crate) async fn open(folder: &Path) -> Store {
    let url = format!("sqlite:{}?mode=rwc", folder.join("goals.db").display());
    Store::open(&url).await.expect("a store")
}

/// Makes work of the script in a job's spec; one without is refused, one with `away` has to wait.
struct Scripts;

#[async_trait]
impl AssignmentSource for Scripts {
    async fn prepare(&self, job: &Resource, goal: &JobGoal) -> Result<Prepared, SeamError> {
        if let Some(away) = job.spec["away"].as_str() {
            return Err(SeamError::Unavailable(away.to_owned()));
        }
        let script: Script = serde_json::from_value(job.spec["script"].clone())
            .map_err(|error| SeamError::Refused(format!("no script: {error}")))?;
        Ok(Prepared {
            work: assignment("any", "any", &script).work,
            parallelism: goal.parallelism.unwrap_or(1),
            memory_bytes: 1 << 30,
        })
    }

    async fn forget(&self, _: &str) -> Result<(), SeamError> {
        Ok(())
    }
}

/// Fast, so that stories are short.
pub(crate) fn settings() -> ReconcilerSettings {
    ReconcilerSettings {
        policy: Policy {
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(100),
            ..Policy::default()
        },
        busy_tick: Duration::from_millis(20),
        idle_tick: Duration::from_millis(200),
        retry_tick: Duration::from_millis(100),
        ..ReconcilerSettings::default()
    }
}

pub(crate) fn launcher(folder: &Path) -> Arc<dyn Launcher> {
    let program = std::env::current_exe().expect("this program");
    let settings = ProcessSettings::new(program, vec![WORKER.to_owned()], folder.join("runs"));
    Arc::new(ProcessLauncher::new(settings, clock()).expect("a launcher"))
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

pub(crate) fn reconciler(
    store: Store,
    folder: &Path,
    built_ins: Vec<BuiltIn>,
    fault: Arc<dyn FaultPoint>,
) -> Reconciler {
    Reconciler::new(ReconcilerParts {
        store,
        launcher: launcher(folder),
        source: Arc::new(Scripts),
        built_ins,
        clock: clock(),
        settings: settings(),
        fault,
    })
}

/// A control plane that runs in this process.
pub(crate) struct Control {
    pub(crate) store: Store,
    pub(crate) board: Arc<LiveBoard>,
    folder: PathBuf,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Control {
    pub(crate) async fn start(place: &Place, built_ins: Vec<BuiltIn>) -> Self {
        let store = place.store().await;
        let reconciler = reconciler(store.clone(), place.path(), built_ins, Arc::new(NoFault));
        let (board, stop) = (reconciler.live(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(reconciler.run(stop.clone()));
        Self { store, board, folder: place.path().to_owned(), stop, tasks }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.join_all().await;
    }

    /// Ends every worker that is left, so that none outlives the story.
    pub(crate) async fn stop_with_workers(self) {
        let (store, folder) = (self.store.clone(), self.folder.clone());
        self.stop().await;
        kill_all(&store, &folder).await;
    }

    /// Waits until the job's status is as it should be.
    pub(crate) async fn until(
        &self,
        (ns, job): (&str, &str),
        is: impl Fn(&JobStatus) -> bool,
    ) -> JobStatus {
        let wait = async {
            loop {
                if let Some(status) = self.board.status(ns, job).filter(|status| is(status)) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, wait).await.ok();
        seen.unwrap_or_else(|| panic!("{job}: it stays {:?}", self.board.status(ns, job)))
    }

    /// Waits until the job of the default namespace is in this phase under its present goal.
    pub(crate) async fn phase(&self, job: &str, phase: JobPhase) -> JobStatus {
        let goal = self.store.goal("default", job).await.expect("read").expect("a goal").goal;
        self.until(("default", job), |s| s.phase == phase && s.observed_goal >= goal).await
    }

    pub(crate) async fn set(&self, job: &str, change: impl FnOnce(&mut JobGoal) + Send) {
        let set = self.store.set_goal("default", job, None, change, "ann", None, now()).await;
        set.expect("the goal changes");
    }

    pub(crate) async fn events(&self, job: &str) -> Vec<String> {
        let filter = EventFilter { name: Some(job), ..EventFilter::default() };
        let events = self.store.events(filter, 0, 1_000).await.expect("events");
        events.into_iter().map(|event| event.what).collect()
    }

    pub(crate) async fn runs(&self, job: &str) -> Vec<RunRecord> {
        runs(&self.store, job).await
    }
}

/// Runs of a job of the default namespace, the newest first.
pub(crate) async fn runs(store: &Store, job: &str) -> Vec<RunRecord> {
    let page = Page { after: None, limit: 500 };
    store.runs("default", job, &page).await.expect("runs").items
}

pub(crate) async fn kill_all(store: &Store, folder: &Path) {
    let launcher = launcher(folder);
    for run in store.runs_alive().await.expect("runs") {
        let job = millrace_spec::qualified(&run.namespace, &run.job);
        launcher.kill(&job, &run.id).await.expect("it ends");
    }
}

pub(crate) fn now() -> i64 {
    SystemClock::default().now_ms()
}

/// Declares a job of the default namespace.
pub(crate) fn job(name: &str, script: &Script) -> Put {
    let script = serde_json::to_value(script).expect("plain data");
    Put {
        ns: "default".to_owned(),
        kind: Kind::Job,
        name: name.to_owned(),
        spec: json!({"script": script}),
        labels: BTreeMap::new(),
        author: "ann".to_owned(),
        reason: None,
        now_ms: now(),
        expect: None,
        goal: None,
    }
}
