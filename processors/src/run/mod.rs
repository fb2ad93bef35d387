//! A run of a job: tasks, channels, watermarks, checkpoints.
//!
//! ```text
//!  assemble ─► source_task ─► chain (operators) ─► channel ─► chain_task ─► channel ─► sink_task
//!                   ▲ orders      │ frozen                        │                       │
//!                   │             ▼                               ▼                       │
//!              coordinator ◄── reports ── state_task ─────────────┴───────────────────────┘
//! ```
//!
//! `layout`, `watermarks` and `parts` decide; they do no I/O. No task spawns another: who holds the
//! [`Assembly`] polls them all, so that a simulation can choose their order.

mod assemble;
mod chain;
mod chain_task;
mod channel;
mod command;
mod coordinator;
mod flow;
mod late;
mod layout;
mod metrics;
mod output;
mod parts;
mod report;
mod sink_task;
mod source_task;
mod state_task;
mod status;
mod step;
mod tail;
mod watermarks;

pub(crate) use assemble::assemble;
pub use assemble::{Assembly, TaskFuture};
pub use command::{JobControl, RunEnd, Stop};
pub use flow::{SinkStatus, SourceStatus, SplitStatus};
pub(crate) use metrics::publish;
pub use status::{CheckpointStatus, JobStatus, OperatorStatus};
pub use step::{JobProbe, JobStep, NoJobProbe};
pub use tail::{Tail, TailRows};
