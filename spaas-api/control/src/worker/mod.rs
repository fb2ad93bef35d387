//! What the control plane and its workers say to each other, and a worker's side of it.
//!
//! A worker is a process that holds the lock of one job. It is started with a [`Launch`] in a file,
//! answers HTTP on a Unix socket in the same folder, and leaves a [`RunEnd`] in a file at its end:
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | [`WorkerStatus`] |
//! | `POST /stop` with [`StopOrder`] | 202; the run ends after a last checkpoint |
//! | `POST /savepoint` with [`SavepointOrder`] | [`SavepointMade`], once it is complete |
//! | `GET /tail?sink=NAME` | server-sent events: rows as they are written, as JSON |
//! | `GET /metrics` | Prometheus text |
//!
//! An order that is refused is answered with 409, one that failed with 503, both with the reason as
//! text. A worker is written against [`Post`] and [`WorkerHandler`].

pub(crate) mod lock;
pub(crate) mod memory;
mod post;
mod protocol;
mod serve;

pub use crate::model::RunEnd;
pub use post::{Post, PostError, exit};
pub use protocol::{
    Assignment, BrokerWork, CheckpointNumbers, JobWork, Launch, RouterWork, SavepointMade,
    SavepointOrder, SinkNumbers, SourceNumbers, StopOrder, Work, WorkerPhase, WorkerStatus, files,
};
pub(crate) use serve::RUN_HEADER;
pub use serve::{OrderError, WorkerHandler};
