//! Where runs get what they are to do.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::SeamError;
use crate::model::{JobGoal, Resource};
use crate::worker::Work;

/// What a run is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The work.
    pub work: Work,
    /// Instances of each operator, after the goal and the version.
    pub parallelism: u32,
    /// Most memory of the process in bytes.
    pub memory_bytes: u64,
}

/// Makes work of what is declared.
#[async_trait]
pub trait AssignmentSource: Send + Sync + 'static {
    /// What a run of `job` for `goal` is to do: the version that the goal names, with all that it
    /// refers to as it is declared now. Also makes sure of what must be there before the run:
    /// topics. Called again for the same run when a start has to be repeated.
    ///
    /// [`SeamError::Sql`] and [`SeamError::Refused`] fail the job until its goal changes,
    /// [`SeamError::Unavailable`] is tried again.
    async fn prepare(&self, job: &Resource, goal: &JobGoal) -> Result<Prepared, SeamError>;

    /// Removes checkpoints and savepoints of the job of this qualified name, which is deleted: see
    /// [`Planner::forget`](crate::Planner::forget).
    async fn forget(&self, job: &str) -> Result<(), SeamError>;
}

/// Namespace of what settings declare.
pub const SYSTEM: &str = "system";
/// Name of the router in it.
pub const ROUTER: &str = "router";
/// Name of the broker in it.
pub const BROKER: &str = "broker";

/// A job that settings declare instead of a person: the router, the broker. It has no end of its
/// own.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// Namespace: [`SYSTEM`].
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What it is to do; when that changes, it is stopped and started. `None`: it is to be stopped.
    pub wanted: watch::Receiver<Option<BuiltInWork>>,
}

/// The work of a built-in job.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltInWork {
    /// The work.
    pub work: Work,
    /// Most memory of the process in bytes.
    pub memory_bytes: u64,
}
