//! Settings of the launcher of processes.

use std::path::PathBuf;
use std::time::Duration;

use super::LogLimits;

/// What is started, where, and how long is waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSettings {
    /// The worker's program.
    pub program: PathBuf,
    /// Its arguments; `--assignment FILE` follows them.
    pub args: Vec<String>,
    /// Folder with a folder for each job. Its path is short, because the path of a Unix socket in
    /// it has at most 107 bytes.
    pub folder: PathBuf,
    /// Most time a worker has to say how it is doing. Default 1 s.
    pub status_timeout: Duration,
    /// Most time a worker has to accept an order. Default 10 s.
    pub order_timeout: Duration,
    /// Most time a savepoint may take. Default 10 min.
    pub savepoint_timeout: Duration,
    /// Most time the kernel has to end a process. Default 10 s.
    pub kill_timeout: Duration,
    /// How logs are rotated.
    pub log: LogLimits,
    /// A folder of the cgroup v2 hierarchy that is delegated to this process and holds no process:
    /// each worker gets a group with its memory limit in it. `None`, or one that cannot be used,
    /// leaves the limit to the worker (`RLIMIT_DATA`).
    pub cgroup: Option<PathBuf>,
}

impl ProcessSettings {
    /// The defaults for `program args…` under `folder`.
    pub fn new(program: PathBuf, args: Vec<String>, folder: PathBuf) -> Self {
        Self {
            program,
            args,
            folder,
            status_timeout: Duration::from_secs(1),
            order_timeout: Duration::from_secs(10),
            savepoint_timeout: Duration::from_mins(10),
            kill_timeout: Duration::from_secs(10),
            log: LogLimits::default(),
            cgroup: None,
        }
    }
}
