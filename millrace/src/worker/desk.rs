//! Where the work says how it is doing, and hears what it is told: what the socket answers from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use millrace_control::worker::{
    Assignment, OrderError, SavepointMade, SavepointOrder, StopOrder, WorkerHandler, WorkerPhase,
    WorkerStatus,
};
use millrace_events::Clock;
use millrace_processors::JobControl;
use millrace_router::{Router, RouterStatus};
use millrace_sinks::Warehouse;
use millrace_spaas::ops;

use super::numbers::Numbers;
use super::rows;
use crate::compose;

/// What is at work.
#[derive(Clone, Default)]
pub(super) enum Subject {
    /// Nothing yet, or nothing for a while.
    #[default]
    Nothing,
    /// A run of a job, and where its savepoints go.
    Job(JobControl, Warehouse),
    /// The routes.
    Router(Arc<Routes>),
    /// The broker.
    Broker,
}

/// All routes: those that the router carries, and those that it cannot.
pub(super) struct Routes {
    /// There is none without a route for it.
    pub(super) router: Option<Router>,
    /// Why a route cannot be carried, by its name.
    pub(super) refused: BTreeMap<String, String>,
}

impl Routes {
    pub(super) fn status(&self) -> RouterStatus {
        self.router.as_ref().map(Router::status).unwrap_or_default()
    }
}

/// Between the work and the control plane.
pub(super) struct Desk {
    run: String,
    job: String,
    clock: Arc<dyn Clock>,
    metrics: PrometheusHandle,
    subject: watch::Sender<Subject>,
    order: OnceLock<StopOrder>,
    /// Cancelled once there is an order.
    pub(super) stop: CancellationToken,
    past: Mutex<Past>,
}

/// What is left of runs that failed and were started again in this process.
#[derive(Default)]
struct Past {
    numbers: Numbers,
    failure: Option<String>,
}

impl Desk {
    pub(super) fn new(
        assignment: &Assignment,
        metrics: PrometheusHandle,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            run: assignment.run.clone(),
            job: assignment.job.clone(),
            clock,
            metrics,
            subject: watch::channel(Subject::Nothing).0,
            order: OnceLock::new(),
            stop: CancellationToken::new(),
            past: Mutex::default(),
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The work runs.
    pub(super) fn runs(&self, subject: Subject) {
        self.subject.send_replace(subject);
    }

    /// The work failed and may be tried again.
    pub(super) fn failed(&self, why: &str) {
        let subject = self.subject.send_replace(Subject::Nothing);
        let mut past = self.past();
        past.numbers.add(&Numbers::of(&subject));
        past.failure = Some(why.to_owned());
    }

    /// Tells the work to end. The first order stands.
    pub(super) fn order(&self, order: StopOrder) {
        let _ = self.order.set(order);
        self.stop.cancel();
    }

    /// How to end, once that is ordered.
    pub(super) async fn ordered(&self) -> StopOrder {
        self.stop.cancelled().await;
        self.order.get().cloned().unwrap_or_default()
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Metrics carry namespace and name instead of the qualified name.
    fn labelled(&self, text: &str) -> String {
        let (namespace, name) = self.job.split_once("--").unwrap_or(("default", &self.job));
        let from = format!("job=\"{}\"", self.job);
        text.replace(&from, &format!("namespace=\"{namespace}\",job=\"{name}\""))
    }
}

#[async_trait]
impl WorkerHandler for Desk {
    async fn status(&self) -> WorkerStatus {
        let subject = self.subject.borrow().clone();
        let phase = match subject {
            _ if self.stop.is_cancelled() => WorkerPhase::Stopping,
            Subject::Nothing => WorkerPhase::Starting,
            _ => WorkerPhase::Running,
        };
        let (mut numbers, last_failure) = {
            let past = self.past();
            (past.numbers.clone(), past.failure.clone())
        };
        numbers.add(&Numbers::of(&subject));
        let usage = ops::process_usage();
        WorkerStatus {
            run: self.run.clone(),
            pid: std::process::id(),
            phase,
            at_ms: self.clock.now_ms(),
            sources: numbers.sources.into_values().collect(),
            sinks: numbers.sinks.into_values().collect(),
            checkpoint: numbers.checkpoint,
            state_bytes: numbers.state_bytes,
            cpu_seconds: usage.cpu_seconds,
            rss_bytes: usage.rss_bytes,
            last_failure,
        }
    }

    async fn stop(&self, order: StopOrder) -> Result<(), OrderError> {
        self.order(order);
        Ok(())
    }

    async fn savepoint(&self, order: SavepointOrder) -> Result<SavepointMade, OrderError> {
        let subject = self.subject.borrow().clone();
        let Subject::Job(control, warehouse) = subject else {
            return Err(OrderError::Failed("no job is at work here at this moment".to_owned()));
        };
        if let Some(checkpoint) = savepoint_at(&warehouse, &order.path).await {
            return Ok(SavepointMade { checkpoint });
        }
        let (_, path) = compose::savepoint_path(&warehouse, &order.path);
        let made = control.savepoint(path).await;
        let checkpoint = made.map_err(|e| OrderError::Failed(e.to_string()))?;
        Ok(SavepointMade { checkpoint })
    }

    async fn tail(&self, sink: Option<String>) -> Result<BoxStream<'static, String>, OrderError> {
        if matches!(*self.subject.borrow(), Subject::Router(_) | Subject::Broker) {
            return Err(OrderError::Refused("only jobs show their rows".to_owned()));
        }
        Ok(rows::follow(self.subject.subscribe(), sink).boxed())
    }

    async fn metrics(&self) -> String {
        self.labelled(&ops::render(&self.metrics, &[]))
    }
}

/// Number of the checkpoint of the complete savepoint at `path`, if there is one.
pub(super) async fn savepoint_at(warehouse: &Warehouse, path: &str) -> Option<u64> {
    let saved = compose::savepoint(warehouse, path).open_savepoint().await;
    saved.ok().map(|manifest| manifest.checkpoint)
}
