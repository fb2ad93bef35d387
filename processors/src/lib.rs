//! The streaming SQL engine: operators, watermarks, keyed state, checkpoints.
//!
//! ```text
//!  source tasks ─ batches, watermarks, barriers ─► chains of operators ─ exchange ─► … ─► sinks
//!       ▲                                                │ state                           │
//!       └── coordinator: barrier n ──────────────────────┴─► checkpoint n ─► commit n ─────┘
//! ```
//!
//! Invariants: streaming = batch; a checkpoint is visible only when complete; sinks prepare before
//! it and commit after it; a watermark never goes back.
//!
//! Must not know: Kafka, Delta, HTTP, where a job is launched.

mod batch;
mod changelog;
pub mod connector;
mod error;
mod job;
mod operator;
pub mod operators;
mod policy;
mod run;
mod running;

pub use batch::{Batch, RowKind};
pub use changelog::final_rows;
pub use error::JobError;
pub use job::{Job, JobSettings};
pub use operator::{END_OF_TIME, Micros, NO_WATERMARK, Operator, OperatorContext, Output};
pub use policy::StatePolicy;
pub use run::{
    Assembly, CheckpointStatus, JobControl, JobProbe, JobStatus, JobStep, NoJobProbe,
    OperatorStatus, RunEnd, SinkStatus, SourceStatus, SplitStatus, Stop, Tail, TailRows,
    TaskFuture,
};
pub use running::RunningJob;

pub use millrace_state::CheckpointStore;
