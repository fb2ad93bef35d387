//! A worker's place: the lock it holds, the run it begins, the end it leaves.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::lock::{self, Holder};
use super::serve::{WorkerHandler, router};
use super::{Assignment, Launch, files, memory};
use crate::launch::process::{RotatingLog, create_once, is_plain_name};
use crate::model::RunEnd;

/// Exit codes of a worker that found that there is nothing for it to do.
pub mod exit {
    /// Another worker holds the job's lock.
    pub const HELD: u8 = 90;
    /// The run was begun before, or is not to begin any more.
    pub const OVER: u8 = 91;
}

/// Why a worker may not begin its run.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The file does not say what to do.
    #[error("{} is not an assignment: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another worker of the job is alive.
    #[error("another worker of {job} is alive (run {})", by.as_deref().unwrap_or("unknown"))]
    Held {
        /// Qualified name of the job.
        job: String,
        /// Run of that worker.
        by: Option<String>,
    },
    /// The run was begun before, or is not to begin any more.
    #[error("run {run} was begun before or was cancelled; a run begins once")]
    Over {
        /// The run.
        run: String,
    },
    /// The folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl PostError {
    /// The exit code that tells the launcher that nothing went wrong, if so.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Held { .. } => Some(exit::HELD),
            Self::Over { .. } => Some(exit::OVER),
            Self::Unreadable { .. } | Self::Folder { .. } => None,
        }
    }
}

/// A worker's place. Whoever has one is the only worker of the job, and the first of the run.
///
/// Order of use: [`Post::take`] before anything of the job is touched, [`Post::limit_memory`] and
/// [`Post::log`] before threads are started, [`Post::serve`] beside the work, [`Post::end`] last.
/// A worker that is gone without [`Post::end`] counts as lost.
#[derive(Debug)]
pub struct Post {
    launch: Launch,
    folder: PathBuf,
    lock: File,
}

impl Post {
    /// Begins the run that `file` (`--assignment`) describes. May block for two seconds.
    pub fn take(file: &Path) -> Result<Self, PostError> {
        let unreadable = |why: String| PostError::Unreadable { path: file.to_owned(), why };
        let text = std::fs::read(file).map_err(|e| unreadable(e.to_string()))?;
        let launch: Launch =
            serde_json::from_slice(&text).map_err(|e| unreadable(e.to_string()))?;
        let run = &launch.assignment.run;
        if !is_plain_name(run) {
            return Err(unreadable(format!("`{run}` cannot be the id of a run")));
        }
        let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let lock = begin(&folder, &launch.assignment)?;
        Ok(Self { launch, folder, lock })
    }

    /// What to do.
    pub fn assignment(&self) -> &Assignment {
        &self.launch.assignment
    }

    /// The folder of the job, for its worker alone; forgotten with the job.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The job's log. From now on it also gets what the process prints to stdout and stderr.
    pub fn log(&self) -> io::Result<RotatingLog> {
        RotatingLog::open(self.folder.join(files::LOG), self.launch.log)?.with_standard_streams()
    }

    /// Limits what this process may map (`RLIMIT_DATA`), unless a cgroup limits its memory: an
    /// allocation far beyond the limit fails. [`Post::exceeds_memory`] sees the others.
    pub fn limit_memory(&self) -> io::Result<()> {
        if self.launch.limit_memory {
            memory::limit(self.launch.assignment.memory_bytes)?;
        }
        Ok(())
    }

    /// Returns, in words, once this process uses more memory than it may, and then has to end;
    /// never where a cgroup sees to that.
    pub async fn exceeds_memory(&self) -> String {
        if self.launch.limit_memory {
            memory::exceeded(self.launch.assignment.memory_bytes).await
        } else {
            std::future::pending().await
        }
    }

    /// Answers the control plane until `until` is cancelled.
    pub async fn serve(
        &self,
        handler: Arc<dyn WorkerHandler>,
        until: CancellationToken,
    ) -> io::Result<()> {
        let path = self.folder.join(files::SOCKET);
        // Whoever made the file that is there is gone: it held the lock that is ours now.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let answers = axum::serve(listener, router(handler, &self.assignment().run)).into_future();
        tokio::select! {
            // Not gracefully: who follows the rows of a sink would keep the worker from ending.
            () = until.cancelled() => Ok(()),
            served = answers => served,
        }
    }

    /// Leaves word of how the run ended and gives up the lock: the last thing that a worker does.
    /// The word is on disk when this returns.
    pub fn end(self, end: &RunEnd) -> io::Result<()> {
        let text = serde_json::to_vec(end)?;
        let path = self.folder.join(files::end(&self.launch.assignment.run));
        create_once(&path, &text)?;
        drop(self.lock);
        Ok(())
    }
}

/// Takes the job's lock for the run and begins it.
fn begin(folder: &Path, assignment: &Assignment) -> Result<File, PostError> {
    let path = folder.join(files::LOCK);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PostError::Folder { path, source }
    };
    let over = || PostError::Over { run: assignment.run.clone() };
    let Some(lock) = lock::take(&path).map_err(failed(&path))? else {
        let by = lock::holder(&path).ok().flatten().map(|holder| holder.run);
        return Err(PostError::Held { job: assignment.job.clone(), by });
    };
    let begun = folder.join(files::begun(&assignment.run));
    if begun.exists() {
        return Err(over());
    }
    let me = Holder::this_process(&assignment.run);
    lock::sign(&lock, &me).map_err(failed(&path))?;
    match create_once(&begun, me.pid.to_string().as_bytes()) {
        Ok(()) => Ok(lock),
        // The launcher was first: the run is not to begin any more.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(over()),
        Err(error) => Err(failed(&begun)(error)),
    }
}
