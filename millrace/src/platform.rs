//! A router alone, beside others of its group: what starts in which order and how it stops.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_bus::{Admin, KafkaSettings};
use millrace_http::server;
use millrace_router::{Membership, Router, RouterStatus};
use millrace_spaas::ops;
use millrace_spec::Manifests;

use crate::cli::{KafkaArgs, SecretArgs, StoreArgs, WorkArgs};
use crate::compose::{self, Parts, Secrets};
use crate::{fault, store};

/// How long the router gets to commit what it has when the process is told to end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// The router reports its lag a few times a second; a quiet shorter than that may have been seen
/// before the last record came.
const LEAST_QUIET: Duration = Duration::from_millis(500);

/// What the platform is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) store: StoreArgs,
    pub(crate) kafka: KafkaArgs,
    pub(crate) secrets: SecretArgs,
    pub(crate) work: WorkArgs,
    /// Metrics and health over HTTP; `None` runs without.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) allow_external: bool,
}

/// Where a running platform can be reached; kept in `run.json` in the data folder while it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Its process.
    pub(crate) pid: u32,
    /// Address of the HTTP API.
    pub(crate) http: Option<String>,
    /// Address of the broker.
    pub(crate) kafka: String,
}

impl RunFile {
    fn path(data: &Path) -> PathBuf {
        data.join("run.json")
    }

    /// Reads the file of the platform that runs on `data`.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Self> {
        let path = Self::path(data);
        let text = std::fs::read(&path).with_context(|| {
            format!(
                "nothing seems to run on {} ({} cannot be read)",
                data.display(),
                path.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Nothing runs on `data` any more.
    pub(crate) fn remove(data: &Path) {
        let _ = std::fs::remove_file(Self::path(data));
    }

    /// Written whole or not at all: readers wait for the file to appear.
    pub(crate) fn write(&self, data: &Path) -> anyhow::Result<()> {
        let path = Self::path(data);
        let draft = data.join(format!("run.json.{}", self.pid));
        std::fs::write(&draft, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&draft, &path))
            .with_context(|| format!("write {}", path.display()))
    }
}

/// The router as the HTTP endpoints see it: readiness and status. Empty until it has started.
#[derive(Clone, Default)]
struct Watch(Arc<OnceLock<Arc<Router>>>);

impl ops::Readiness for Watch {
    fn ready(&self) -> Result<(), Vec<String>> {
        let Some(router) = self.0.get() else { return Err(vec!["the router is starting".into()]) };
        let status = router.status();
        let mut missing = Vec::new();
        if router.is_broken() {
            missing.push("a thread of the router died".into());
        }
        missing.extend(status.broker.map(|why| format!("the log: {why}")));
        // A failing sink does not make the process unready: the other routes work, and a restart of
        // the process would not heal the sink. It shows in the status and in the metrics.
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }
}

impl ops::Status for Watch {
    fn status(&self) -> serde_json::Value {
        let status = self.0.get().map(|r| r.status()).unwrap_or_default();
        serde_json::to_value(status).unwrap_or_default()
    }
}

/// A running router. Stops in this order: HTTP (requests in flight are answered), router (every
/// route commits).
pub(crate) struct Platform {
    pub(crate) parts: Parts,
    pub(crate) http: Option<SocketAddr>,
    data: PathBuf,
    router: Arc<Router>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Platform {
    /// Starts everything `settings` ask for; an error says what did not start and why.
    pub(crate) async fn start(settings: &Settings, manifests: &Manifests) -> anyhow::Result<Self> {
        let data = settings.store.data.clone();
        std::fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
        let listener = bind(settings.listen, settings.allow_external).await?;
        let http = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let (kafka, membership) = connect(settings)?;
        let admin = Admin::new(&kafka)?;
        for stream in manifests.streams.values() {
            admin.ensure_topic(&stream.topic, stream.partitions).await?;
        }
        let probe = fault::probe()?;
        let warehouse = store::open(&settings.store, Arc::clone(&probe)).await?;
        let secrets = Secrets::of(&settings.secrets, &settings.store)?;
        let parts = Parts::new(kafka, warehouse, secrets, settings.work.memory, probe);
        let metrics = ops::install_metrics()?;
        let router = Arc::new(parts.router(manifests, &settings.work, membership)?);
        let watch = Watch::default();
        let _ = watch.0.set(Arc::clone(&router));

        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(ops::upkeep(metrics.clone(), stop.clone()));
        if let Some(listener) = listener {
            let app = ops::router(ops::OpsSettings {
                metrics,
                budgets: vec![parts.budget.clone()],
                readiness: Arc::new(watch.clone()),
                status: Arc::new(watch),
                more: None,
            });
            tasks.spawn(server::serve(listener, app, stop.clone()));
        }
        let run = RunFile {
            pid: std::process::id(),
            http: http.map(|a| a.to_string()),
            kafka: parts.kafka.bootstrap.clone(),
        };
        run.write(&data)?;
        Ok(Self { parts, http, data, router, tasks, stop })
    }

    /// What the router knows of itself.
    pub(crate) fn status(&self) -> RouterStatus {
        self.router.status()
    }

    /// Returns when every record of the log has been committed by every route for `quiet` (and at
    /// least [`LEAST_QUIET`]), or with an error when the router died.
    pub(crate) async fn idle(&self, quiet: Duration) -> anyhow::Result<()> {
        let mut since = None;
        loop {
            anyhow::ensure!(!self.router.is_broken(), "a thread of the router died; see the log");
            let now = self.parts.clock.monotonic();
            let status = self.status();
            if status.caught_up() {
                let (since, reports) = *since.get_or_insert((now, status.reports));
                let quiet_for = now.saturating_sub(since);
                // The reader must have looked twice meanwhile: it may be held up, and its report
                // old.
                if quiet_for >= quiet.max(LEAST_QUIET) && status.reports >= reports + 2 {
                    return Ok(());
                }
            } else {
                since = None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns when the router died; it never does while all is well.
    pub(crate) async fn broken(&self) {
        while !self.router.is_broken() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Stops in order; loses nothing that was acknowledged.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.router.stop(STOP_PATIENCE).await;
        RunFile::remove(&self.data);
    }
}

async fn bind(
    addr: Option<SocketAddr>,
    allow_external: bool,
) -> anyhow::Result<Option<TcpListener>> {
    let Some(addr) = addr else { return Ok(None) };
    server::check_listen(addr, allow_external)?;
    let listener = TcpListener::bind(addr).await.with_context(|| {
        format!("listen on {addr} (is another platform running? choose another with --listen)")
    })?;
    Ok(Some(listener))
}

fn connect(settings: &Settings) -> anyhow::Result<(KafkaSettings, Membership)> {
    let kafka = compose::cluster(&settings.kafka)?;
    let kafka = kafka.context("name a Kafka cluster with --kafka HOST:PORT")?;
    let id = settings.work.group.clone();
    let session_timeout = settings.work.session_timeout;
    let shared = Membership::Group { id, session_timeout };
    let membership = if settings.work.alone { Membership::Alone } else { shared };
    Ok((kafka, membership))
}
