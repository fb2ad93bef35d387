//! The launcher of processes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{collections::HashMap, collections::VecDeque};

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::process::{Child, Command};

use millrace_events::Clock;

use super::ProcessSettings;
use super::atomic::is_plain_name;
use super::cgroup::Cgroup;
use super::children::Children;
use super::client::{self, CallError, escape};
use super::kill::kill;
use super::log;
use super::place::{Look, Place, check_length};
use super::read_log::{LogReader, last_lines};
use crate::launch::{LaunchError, Launcher, Observed};
use crate::worker::{
    Assignment, Launch, SavepointMade, SavepointOrder, StopOrder, WorkerStatus, exit, files, memory,
};

/// Pause between two looks at a log that is followed.
const FOLLOW: Duration = Duration::from_millis(200);
/// Most characters of a log's last line that are told as the reason of an end.
const TRACE_CHARS: usize = 500;

/// Starts `program args… --assignment FILE` for each run, in a process group of its own. Whether a
/// run is alive is known from the lock it holds; workers outlive this launcher, and the next one
/// over the same folder finds them.
#[derive(Debug)]
pub struct ProcessLauncher {
    settings: ProcessSettings,
    clock: Arc<dyn Clock>,
    children: Children,
    /// For each job: the run that was last seen alive, and when it last answered.
    heard: Mutex<HashMap<String, (String, Duration)>>,
}

/// Words, or an error that says them.
type Words = Box<dyn std::error::Error + Send + Sync>;

fn retry(what: &str, why: impl Into<Words>) -> LaunchError {
    LaunchError::Retry { what: what.to_owned(), why: why.into().to_string() }
}

fn refused(what: &str, why: impl Into<Words>) -> LaunchError {
    LaunchError::Refused { what: what.to_owned(), why: why.into().to_string() }
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, LaunchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| retry(what, error)),
        Err(error) => Err(retry(what, error)),
    }
}

impl ProcessLauncher {
    /// Makes the folder of all jobs. `clock` measures silence.
    pub fn new(settings: ProcessSettings, clock: Arc<dyn Clock>) -> Result<Self, LaunchError> {
        let folder = settings.folder.display().to_string();
        std::fs::create_dir_all(&settings.folder).map_err(|error| refused(&folder, error))?;
        let path = settings.folder.canonicalize().map_err(|error| refused(&folder, error))?;
        check_length(&path).map_err(|why| refused(&folder, why))?;
        let settings = ProcessSettings { folder: path, ..settings };
        Ok(Self { settings, clock, children: Children::default(), heard: Mutex::default() })
    }

    fn place(&self, job: &str) -> Place {
        Place::of(&self.settings.folder, job)
    }

    fn checked(&self, job: &str, run: &str) -> Result<Place, LaunchError> {
        if is_plain_name(run) {
            Ok(self.place(job))
        } else {
            Err(refused("find a run", format!("`{run}` cannot be the id of a run")))
        }
    }

    fn group(&self, place: &Place) -> Option<Cgroup> {
        self.settings.cgroup.as_deref().map(|parent| Cgroup::of(parent, &place.name()))
    }

    /// Writes the run's file and starts its process.
    fn spawn(&self, place: &Place, assignment: &Assignment) -> Result<Child, LaunchError> {
        let group = self.group(place).filter(|group| {
            let limited = group.limit(assignment.memory_bytes);
            if let Err(error) = &limited {
                tracing::debug!(%error, job = assignment.job, "no cgroup: the worker limits itself");
            }
            limited.is_ok()
        });
        let limit_memory = group.is_none();
        let child = self.spawn_with(place, assignment, limit_memory)?;
        let (Some(group), Some(pid)) = (group, child.id()) else { return Ok(child) };
        if let Err(error) = group.add(pid) {
            // It would run without a limit until it is started again; it has not begun yet.
            tracing::warn!(%error, job = assignment.job, "cannot put a worker into its cgroup");
        }
        Ok(child)
    }

    fn spawn_with(
        &self,
        place: &Place,
        assignment: &Assignment,
        limit_memory: bool,
    ) -> Result<Child, LaunchError> {
        const WHAT: &str = "start a worker";
        let failed = |error: io::Error| retry(WHAT, error);
        let log = self.settings.log;
        let launch = Launch { assignment: assignment.clone(), log, limit_memory };
        let file = place.write_launch(&launch).map_err(failed)?;
        let output = log::open(&place.file(files::LOG)).map_err(failed)?;
        Command::new(&self.settings.program)
            .args(&self.settings.args)
            .arg("--assignment")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            // What a terminal sends to the control plane is not meant for its workers.
            .process_group(0)
            .kill_on_drop(false)
            .spawn()
            .map_err(|error| {
                let why = format!("{}: {error}", self.settings.program.display());
                match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => refused(WHAT, why),
                    _ => retry(WHAT, why),
                }
            })
    }

    /// Asks the run how it is doing.
    async fn status(&self, place: &Place, run: &str) -> Option<Box<WorkerStatus>> {
        let socket = place.file(files::SOCKET);
        let call = client::call(&socket, run, Method::GET, "/status", Vec::new());
        match tokio::time::timeout(self.settings.status_timeout, call).await {
            Ok(Ok((StatusCode::OK, body))) => serde_json::from_slice(&body).ok().map(Box::new),
            _ => None,
        }
    }

    /// For how long the run, which is alive, has not answered.
    fn silence(&self, job: &str, run: &str, answered: bool) -> Duration {
        let now = self.clock.monotonic();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.entry(job.to_owned()).or_insert_with(|| (run.to_owned(), now));
        if answered || last.0 != run {
            *last = (run.to_owned(), now);
        }
        now.saturating_sub(last.1)
    }

    /// What is known of why a run is not there.
    async fn trace(&self, job: &str, run: &str, place: &Place, begun: bool) -> Option<String> {
        let exit = self.children.get(job, run).and_then(|process| process.exit);
        if !begun && exit.is_none() {
            return None;
        }
        let killed = exit.is_some_and(|exit| exit.signal() == Some(9));
        let last = last_word(place.file(files::LOG), self.settings.log.files).await;
        let out_of_memory = last.as_deref().is_some_and(memory::is_last_word)
            || (killed && self.group(place).is_some_and(|group| group.out_of_memory() > 0));
        let how = match exit {
            _ if out_of_memory => Some("out of memory: killed at its limit".to_owned()),
            Some(exit) if exit.code() == Some(exit::HELD.into()) => {
                Some("another worker of the job was alive".to_owned())
            }
            Some(exit) => Some(exit.to_string()),
            None => None,
        };
        let last = last.map(|line| {
            let line: String = line.chars().take(TRACE_CHARS).collect();
            format!("last line of its log: {line}")
        });
        let parts: Vec<String> = how.into_iter().chain(last).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The socket of the run if it is alive.
    async fn socket(&self, job: &str, run: &str) -> Result<PathBuf, LaunchError> {
        let place = self.checked(job, run)?;
        let socket = place.file(files::SOCKET);
        let holder = blocking("look for a worker", move || place.holder()).await?;
        match holder {
            Some(holder) if holder.run == run => Ok(socket),
            _ => Err(gone(job, run)),
        }
    }

    async fn order(
        &self,
        (job, run): (&str, &str),
        (method, path): (Method, &str),
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Bytes, LaunchError> {
        let socket = self.socket(job, run).await?;
        let what = format!("{method} {path} of {job}");
        let call = client::call(&socket, run, method, path, body);
        let answer = tokio::time::timeout(timeout, call).await;
        let (status, body) = answered(&what, answer)?;
        if status.is_success() { Ok(body) } else { Err(not_done(&what, job, run, status, &body)) }
    }
}

/// The last line of a log that tells something.
async fn last_word(path: PathBuf, files: u32) -> Option<String> {
    let read = blocking("read a log", move || super::last_word::of(&path, files));
    read.await.ok()?
}

fn gone(job: &str, run: &str) -> LaunchError {
    LaunchError::Gone { job: job.to_owned(), run: run.to_owned() }
}

fn answered<T>(
    what: &str,
    answer: Result<Result<T, CallError>, tokio::time::error::Elapsed>,
) -> Result<T, LaunchError> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(retry(what, error)),
        Err(_) => Err(retry(what, "the worker takes too long to answer")),
    }
}

fn not_done(what: &str, job: &str, run: &str, status: StatusCode, body: &Bytes) -> LaunchError {
    let why = String::from_utf8_lossy(body).into_owned();
    match status {
        StatusCode::GONE => gone(job, run),
        status if status.is_client_error() => refused(what, why),
        _ => retry(what, why),
    }
}

fn json(order: &impl serde::Serialize) -> Result<Vec<u8>, LaunchError> {
    serde_json::to_vec(order).map_err(|error| refused("write an order", error))
}

#[async_trait]
impl Launcher for ProcessLauncher {
    async fn start(&self, assignment: &Assignment) -> Result<(), LaunchError> {
        let (job, run) = (&assignment.job, &assignment.run);
        let place = self.checked(job, run)?;
        let (at, name, id) = (place.clone(), job.clone(), run.clone());
        let there = blocking("start a worker", move || {
            at.make(&name)?;
            at.prune()?;
            Ok(at.has_begun(&id) || at.is_held()?)
        });
        if there.await? {
            return Ok(());
        }
        // Nobody holds the lock, so a run that has begun is over.
        let over = |other: &str| place.has_begun(other);
        if !self.children.reserve(job, run, self.clock.monotonic(), over) {
            return Ok(());
        }
        match self.spawn(&place, assignment) {
            Ok(child) => {
                self.children.adopt(job, run, child);
                Ok(())
            }
            Err(error) => {
                self.children.forget(job);
                Err(error)
            }
        }
    }

    async fn observe(&self, job: &str, run: &str) -> Result<Observed, LaunchError> {
        let place = self.checked(job, run)?;
        let (at, id) = (place.clone(), run.to_owned());
        let Look { holder, end, begun } =
            blocking("look for a worker", move || at.look(&id)).await?;
        if let Some(holder) = holder {
            let status = self.status(&place, &holder.run).await;
            let silent = self.silence(job, &holder.run, status.is_some());
            return Ok(Observed::Alive { run: holder.run, status, silent });
        }
        if let Some(end) = end {
            return Ok(Observed::Ended(end));
        }
        let process = self.children.get(job, run).filter(|process| process.exit.is_none());
        if let Some(process) = process.filter(|_| !begun) {
            // Started, and about to take the lock.
            let silent = self.clock.monotonic().saturating_sub(process.since);
            return Ok(Observed::Alive { run: process.run, status: None, silent });
        }
        let trace = self.trace(job, run, &place, begun).await;
        Ok(Observed::Absent { begun, trace })
    }

    async fn stop(&self, job: &str, run: &str, order: &StopOrder) -> Result<(), LaunchError> {
        let timeout = self.settings.order_timeout;
        self.order((job, run), (Method::POST, "/stop"), json(order)?, timeout).await.map(drop)
    }

    async fn savepoint(&self, job: &str, run: &str, path: &str) -> Result<u64, LaunchError> {
        let order = json(&SavepointOrder { path: path.to_owned() })?;
        let timeout = self.settings.savepoint_timeout;
        let body = self.order((job, run), (Method::POST, "/savepoint"), order, timeout).await?;
        let made: SavepointMade =
            serde_json::from_slice(&body).map_err(|error| retry("make a savepoint", error))?;
        Ok(made.checkpoint)
    }

    async fn kill(&self, job: &str, run: &str) -> Result<(), LaunchError> {
        let place = self.checked(job, run)?;
        let (job, run, timeout) = (job.to_owned(), run.to_owned(), self.settings.kill_timeout);
        blocking("kill a worker", move || {
            place.make(&job)?;
            kill(&place, &run, timeout)
        })
        .await
    }

    async fn forget(&self, job: &str) -> Result<(), LaunchError> {
        let (place, group) = (self.place(job), self.group(&self.place(job)));
        let free = blocking("forget a job", move || {
            let free = !place.is_held()?;
            if free {
                place.remove()?;
                if let Some(group) = group {
                    group.remove();
                }
            }
            Ok(free)
        });
        if !free.await? {
            return Err(retry("forget a job", "a worker of it is alive"));
        }
        self.children.forget(job);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        Ok(())
    }

    async fn logs(
        &self,
        job: &str,
        lines: usize,
        follow: bool,
    ) -> Result<BoxStream<'static, String>, LaunchError> {
        let path = self.place(job).file(files::LOG);
        let files = self.settings.log.files;
        let (mut lines, reader) =
            blocking("read a log", move || last_lines(&path, files, lines)).await?;
        if !follow {
            lines.extend(reader.unended());
            return Ok(stream::iter(lines).boxed());
        }
        Ok(stream::unfold((lines, reader), next_line).boxed())
    }

    async fn tail(
        &self,
        job: &str,
        run: &str,
        sink: Option<&str>,
    ) -> Result<BoxStream<'static, String>, LaunchError> {
        let socket = self.socket(job, run).await?;
        let query = sink.map(|sink| format!("?sink={}", escape(sink))).unwrap_or_default();
        let (what, path) = (format!("follow the rows of {job}"), format!("/tail{query}"));
        let follow = client::follow(&socket, run, &path);
        let answer = tokio::time::timeout(self.settings.order_timeout, follow).await;
        answered(&what, answer)?.map_err(|(status, body)| not_done(&what, job, run, status, &body))
    }

    async fn metrics(&self, job: &str, run: &str) -> Result<String, LaunchError> {
        let timeout = self.settings.status_timeout;
        let body = self.order((job, run), (Method::GET, "/metrics"), Vec::new(), timeout).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

/// The next line of a log that is followed; waits for it.
async fn next_line(
    (mut lines, mut reader): (VecDeque<String>, LogReader),
) -> Option<(String, (VecDeque<String>, LogReader))> {
    loop {
        if let Some(line) = lines.pop_front() {
            return Some((line, (lines, reader)));
        }
        let read = tokio::task::spawn_blocking(move || reader.more().map(|more| (more, reader)));
        let (more, same) = read.await.ok()?.ok()?;
        reader = same;
        if more.is_empty() {
            tokio::time::sleep(FOLLOW).await;
        }
        lines.extend(more);
    }
}
