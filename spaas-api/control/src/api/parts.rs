//! What the API stands on.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use millrace_events::Clock;

use crate::access::Access;
use crate::admission::Admission;
use crate::model::JobStatus;
use crate::reconcile::LiveBoard;
use crate::store::Store;
use crate::{Launcher, Planner, Tables, Topics};

/// How jobs are doing at this moment; the reconciler's board fulfils it.
pub trait Live: Send + Sync + 'static {
    /// The job's status as last seen, fresher than the store's; `None` if nobody looks after it.
    fn status(&self, namespace: &str, job: &str) -> Option<JobStatus>;
}

impl Live for LiveBoard {
    fn status(&self, namespace: &str, job: &str) -> Option<JobStatus> {
        Self::status(self, namespace, job)
    }
}

/// What the API is built of.
#[derive(Clone)]
pub struct ControlParts {
    /// Goal state.
    pub store: Store,
    /// What may be declared; shared with the reconciler, which gets work from it.
    pub admission: Arc<Admission>,
    /// Who may.
    pub access: Access,
    /// The engine.
    pub planner: Arc<dyn Planner>,
    /// Topics of the log.
    pub topics: Arc<dyn Topics>,
    /// Tables of the warehouse.
    pub tables: Arc<dyn Tables>,
    /// How runs are reached.
    pub launcher: Arc<dyn Launcher>,
    /// How jobs are doing.
    pub live: Arc<dyn Live>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The parts and what is made of them once; the state of every handler.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

pub(crate) struct Inner {
    parts: ControlParts,
    /// What goes on when its client has gone away. Each ends by itself: a launcher gives up on a
    /// run that does not answer.
    pub(crate) tasks: TaskTracker,
}

impl Api {
    pub(crate) fn new(parts: ControlParts) -> Self {
        Self(Arc::new(Inner { parts, tasks: TaskTracker::new() }))
    }
}

impl Deref for Api {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = ControlParts;

    fn deref(&self) -> &ControlParts {
        &self.parts
    }
}
