//! What starts in which order, and how it ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use millrace_bus::{Admin, KafkaSettings, Producer};
use millrace_control::access::Access;
use millrace_control::admission::Admission;
use millrace_control::api::{self, ControlParts};
use millrace_control::launch::process::{ProcessLauncher, ProcessSettings};
use millrace_control::model::Role;
use millrace_control::reconcile::{
    BROKER, BuiltIn, BuiltInWork, LiveBoard, ROUTER, Reconciler, ReconcilerParts,
    ReconcilerSettings, SYSTEM,
};
use millrace_control::store::Store;
use millrace_control::worker::{BrokerWork, Work};
use millrace_control::{Launcher, Planner, Tables, Topics};
use millrace_events::{NoProbe, SystemClock, Transport};
use millrace_http::server;
use millrace_spaas::ingest::{self, IngestSettings, StreamSet};
use millrace_spaas::{ops, sql};

use super::alone::Alone;
use super::declared::Declared;
use super::fronts::{self, Doors, Numbers};
use super::{broker, wind_down};
use crate::cli::{KafkaArgs, SecretArgs, StoreArgs};
use crate::compose::{self, Parts, Secrets};
use crate::control::planner::Engine;
use crate::control::tables::TablesOf;
use crate::control::topics::TopicsOf;
use crate::platform::RunFile;
use crate::{fault, store};

/// Memory of the broker's process.
const BROKER_MEMORY: u64 = 1 << 30;
/// How long the broker may take to listen.
const BROKER_PATIENCE: Duration = Duration::from_mins(1);
/// Of the memory, what requests in flight may hold.
const INGEST_SHARE: usize = 8;

/// What the platform is told.
#[derive(Debug, Clone)]
pub(crate) struct PlaneSettings {
    pub(crate) store: StoreArgs,
    pub(crate) kafka: KafkaArgs,
    pub(crate) secrets: SecretArgs,
    /// Where goal state is kept; by default a SQLite file in the data folder.
    pub(crate) goals: Option<Url>,
    /// Memory of the router, and of the requests in flight here.
    pub(crate) memory: u64,
    pub(crate) listen: SocketAddr,
    pub(crate) broker_listen: SocketAddr,
    pub(crate) allow_external: bool,
    /// Workers go on when the platform ends.
    pub(crate) keep_workers: bool,
    /// Folder for the cgroups of workers.
    pub(crate) cgroup: Option<PathBuf>,
}

/// A running control plane.
pub(crate) struct Plane {
    pub(crate) http: SocketAddr,
    pub(crate) kafka: String,
    /// The recorder behind `/metrics`.
    pub(crate) metrics: PrometheusHandle,
    data: PathBuf,
    ready: Arc<OnceLock<()>>,
    keep_workers: bool,
    launcher: Arc<dyn Launcher>,
    live: Arc<LiveBoard>,
    /// The API and what feeds it.
    serving: JoinSet<()>,
    stop_serving: CancellationToken,
    reconciling: JoinSet<()>,
    stop_reconciling: CancellationToken,
    store: Store,
    _alone: Alone,
}

/// The log, and the broker that is to be run for it.
struct Log {
    kafka: KafkaSettings,
    broker: Option<SocketAddr>,
}

impl Log {
    fn of(settings: &PlaneSettings, data: &std::path::Path) -> anyhow::Result<Self> {
        if let Some(kafka) = compose::cluster(&settings.kafka)? {
            return Ok(Self { kafka, broker: None });
        }
        server::check_listen(settings.broker_listen, settings.allow_external)?;
        let address = broker::address(data, settings.broker_listen)?;
        Ok(Self { kafka: KafkaSettings::plain(address.to_string()), broker: Some(address) })
    }
}

/// What the reconciler and the API have in common.
struct Core {
    goals: Store,
    access: Access,
    launcher: Arc<dyn Launcher>,
    parts: Parts,
    producer: Producer,
    planner: Arc<dyn Planner>,
    topics: Arc<dyn Topics>,
    admission: Arc<Admission>,
    clock: Arc<SystemClock>,
    /// Memory of the router.
    memory: u64,
    metrics: PrometheusHandle,
}

impl Core {
    async fn open(
        settings: &PlaneSettings,
        data: &std::path::Path,
        log: &Log,
    ) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock::default());
        let goals = open_goals(settings, data).await?;
        let access = Access::new(goals.clone(), clock.clone());
        access.ensure_admin(&data.join("admin.token")).await?;
        let secrets = Secrets::of(&settings.secrets, &settings.store)?;
        let launcher = launcher(settings, data, log, &secrets)?;
        let warehouse = store::open(&settings.store, Arc::new(NoProbe)).await?;
        let (kafka, probe) = (log.kafka.clone(), Arc::new(NoProbe));
        let parts = Parts::new(kafka.clone(), warehouse, secrets.clone(), settings.memory, probe);
        let producer = parts.producer()?;
        let topics: Arc<dyn Topics> = Arc::new(TopicsOf::new(Admin::new(&log.kafka)?));
        let planner: Arc<dyn Planner> =
            Arc::new(Engine::new(kafka, parts.warehouse.clone(), secrets));
        let admission = Arc::new(Admission::new(
            goals.clone(),
            Arc::clone(&planner),
            Arc::clone(&topics),
            clock.clone(),
        ));
        let memory = settings.memory;
        Ok(Self {
            goals,
            access,
            launcher,
            parts,
            producer,
            planner,
            topics,
            admission,
            clock,
            memory,
            metrics: ops::install_metrics()?,
        })
    }

    fn reconciler(&self, built_ins: Vec<BuiltIn>) -> anyhow::Result<Reconciler> {
        Ok(Reconciler::new(ReconcilerParts {
            store: self.goals.clone(),
            launcher: Arc::clone(&self.launcher),
            source: Arc::clone(&self.admission) as _,
            built_ins,
            clock: self.clock.clone(),
            settings: ReconcilerSettings::default(),
            fault: fault::control_plane()?,
        }))
    }

    /// Serves on `listener`, and tells `router` and the doors what is declared, until `stop`.
    fn serve(
        &self,
        listener: TcpListener,
        router: watch::Sender<Option<BuiltInWork>>,
        numbers: Arc<Numbers>,
        stop: &CancellationToken,
    ) -> anyhow::Result<JoinSet<()>> {
        let budget = &self.parts.budget;
        let ingest =
            IngestSettings::new(budget.child("http requests", budget.limit() / INGEST_SHARE));
        let streams = StreamSet::new(&ingest.limits, BTreeMap::new());
        let mut serving = JoinSet::new();
        let declared = Declared {
            store: self.goals.clone(),
            admission: Arc::clone(&self.admission),
            streams: streams.clone(),
            router,
            memory_bytes: self.memory,
        };
        serving.spawn(declared.follow(stop.clone()));
        serving.spawn(ops::upkeep(self.metrics.clone(), stop.clone()));
        let open = listener.local_addr()?.ip().is_loopback();
        let doors = Doors { access: self.access.clone(), open };
        let control = self.control(Arc::clone(&numbers.live));
        let looks = ops::router(ops::OpsSettings {
            metrics: self.metrics.clone(),
            budgets: vec![budget.clone()],
            readiness: numbers.clone(),
            status: numbers.clone(),
            more: Some(numbers),
        })
        .merge(fronts::metrics_of_workers(Arc::clone(&self.launcher)));
        let app = control
            .merge(fronts::guarded(doors.clone(), Role::Viewer, looks))
            .merge(data_doors(&self.parts, &self.producer, ingest, streams, &doors));
        serving.spawn(server::serve(listener, app, stop.clone()));
        Ok(serving)
    }

    /// The API over what is declared.
    fn control(&self, live: Arc<LiveBoard>) -> axum::Router {
        let tables: Arc<dyn Tables> = Arc::new(TablesOf::new(self.parts.warehouse.clone()));
        api::router(ControlParts {
            store: self.goals.clone(),
            admission: Arc::clone(&self.admission),
            access: self.access.clone(),
            planner: Arc::clone(&self.planner),
            topics: Arc::clone(&self.topics),
            tables,
            launcher: Arc::clone(&self.launcher),
            live,
            clock: self.clock.clone(),
        })
    }
}

async fn until_it_listens(broker: SocketAddr, data: &std::path::Path) -> anyhow::Result<()> {
    let listens = tokio::time::timeout(BROKER_PATIENCE, broker::listens(broker)).await;
    ensure!(
        listens.is_ok(),
        "the embedded broker does not listen on {broker}; its log is in {}",
        data.join("run").display()
    );
    Ok(())
}

impl Plane {
    /// Starts everything `settings` ask for; an error says what did not start and why.
    pub(crate) async fn start(settings: &PlaneSettings) -> anyhow::Result<Self> {
        let data = std::path::absolute(&settings.store.data)?;
        std::fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
        let alone = Alone::on(&data)?;
        server::check_listen(settings.listen, settings.allow_external)?;
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            let listen = settings.listen;
            format!("listen on {listen} (does something else? choose another with --listen)")
        })?;
        let http = listener.local_addr()?;
        let log = Log::of(settings, &data)?;
        let core = Core::open(settings, &data, &log).await?;
        // Known before anything is reconciled: a router that runs already is not to be stopped.
        let work = core.admission.router_work().await?;
        let (router, wanted) =
            watch::channel(work.map(|work| BuiltInWork {
                work: Work::Router(work),
                memory_bytes: settings.memory,
            }));
        let reconciler = core.reconciler(built_ins(log.broker, wanted))?;
        let live = reconciler.live();
        let (mut reconciling, stop_reconciling) = (JoinSet::new(), CancellationToken::new());
        reconciling.spawn(reconciler.run(stop_reconciling.clone()));
        if let Some(address) = log.broker {
            until_it_listens(address, &data).await?;
        }
        let (ready, stop_serving) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let numbers = Arc::new(Numbers {
            live: Arc::clone(&live),
            clock: core.clock.clone(),
            ready: Arc::clone(&ready),
        });
        let serving = core.serve(listener, router, numbers, &stop_serving)?;
        Ok(Self {
            http,
            kafka: log.kafka.bootstrap,
            metrics: core.metrics,
            data,
            ready,
            keep_workers: settings.keep_workers,
            launcher: core.launcher,
            live,
            serving,
            stop_serving,
            reconciling,
            stop_reconciling,
            store: core.goals,
            _alone: alone,
        })
    }

    /// Says where the platform is reached, in the data folder. Whoever waits for that finds what
    /// was declared before.
    pub(crate) fn announce(&self) -> anyhow::Result<()> {
        let _ = self.ready.set(());
        let run = RunFile {
            pid: std::process::id(),
            http: Some(self.http.to_string()),
            kafka: self.kafka.clone(),
        };
        run.write(&self.data)
    }

    /// Ends in order: requests in flight are answered, nothing new is started, then, unless they
    /// are to go on, jobs and the router end after their last commit, and at last the broker.
    pub(crate) async fn stop(mut self) {
        self.stop_serving.cancel();
        while self.serving.join_next().await.is_some() {}
        self.stop_reconciling.cancel();
        while self.reconciling.join_next().await.is_some() {}
        if !self.keep_workers {
            let broker = millrace_spec::qualified(SYSTEM, BROKER);
            let all = self.live.all().into_iter();
            let jobs: Vec<String> = all
                .map(|(ns, job, _)| millrace_spec::qualified(&ns, &job))
                .filter(|job| *job != broker)
                .collect();
            wind_down::stop_all(&self.launcher, &jobs).await;
            wind_down::stop_all(&self.launcher, &[broker]).await;
        }
        self.store.close().await;
        RunFile::remove(&self.data);
    }
}

async fn open_goals(settings: &PlaneSettings, data: &std::path::Path) -> anyhow::Result<Store> {
    let url = match &settings.goals {
        Some(url) => url.to_string(),
        None => format!("sqlite:{}?mode=rwc", data.join("goals.db").display()),
    };
    // The URL may hold a password, and is not part of the error.
    Store::open(&url).await.context("open the goal state (see --goals)")
}

fn launcher(
    settings: &PlaneSettings,
    data: &std::path::Path,
    log: &Log,
    secrets: &Secrets,
) -> anyhow::Result<Arc<dyn Launcher>> {
    let mut args = vec!["worker".to_owned(), "--data".to_owned(), data.display().to_string()];
    args.extend(["--store".to_owned(), store::url(&settings.store)?.to_string()]);
    args.extend(["--secrets".to_owned(), secrets.folder().display().to_string()]);
    args.extend(["--kafka".to_owned(), log.kafka.bootstrap.clone()]);
    for property in &settings.kafka.properties {
        args.extend(["--kafka-property".to_owned(), property.clone()]);
    }
    let program = std::env::current_exe().context("find this program, which workers run too")?;
    let cgroup = settings.cgroup.clone();
    let settings =
        ProcessSettings { cgroup, ..ProcessSettings::new(program, args, data.join("run")) };
    let launcher = ProcessLauncher::new(settings, Arc::new(SystemClock::default()))?;
    Ok(Arc::new(launcher))
}

fn built_ins(
    broker: Option<SocketAddr>,
    router: watch::Receiver<Option<BuiltInWork>>,
) -> Vec<BuiltIn> {
    let built_in = |name: &str, wanted| BuiltIn {
        namespace: SYSTEM.to_owned(),
        name: name.to_owned(),
        wanted,
    };
    let mut all = vec![built_in(ROUTER, router)];
    if let Some(listen) = broker {
        let work = Work::Broker(BrokerWork { listen });
        let wanted = BuiltInWork { work, memory_bytes: BROKER_MEMORY };
        all.push(built_in(BROKER, watch::channel(Some(wanted)).1));
    }
    all
}

/// Events in, questions out.
fn data_doors(
    parts: &Parts,
    producer: &Producer,
    settings: IngestSettings,
    streams: StreamSet,
    doors: &Doors,
) -> axum::Router {
    let transport: Arc<dyn Transport> = Arc::new(producer.clone());
    let events = ingest::router(settings, transport, streams);
    let tables = Arc::new(store::Tables(parts.warehouse.clone()));
    let questions = sql::router(sql::SqlEngine::new(tables, sql::SqlLimits::default()));
    fronts::guarded(doors.clone(), Role::Editor, events).merge(fronts::guarded(
        doors.clone(),
        Role::Viewer,
        questions,
    ))
}
