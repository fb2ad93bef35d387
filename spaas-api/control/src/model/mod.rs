//! Resources and what is known of them, as the store keeps them and the API shows them.

mod access;
mod event;
mod job;
mod resource;

pub use access::{Actor, AuditEntry, Binding, Role, TokenInfo};
pub use event::{Event, EventKind};
pub use job::{
    Desired, JobGoal, JobPhase, JobStatus, RunEnd, RunRecord, RunState, Savepoint, SavepointState,
    StatePolicy, Trouble,
};
pub use resource::{Kind, Metadata, Resource, Version};
